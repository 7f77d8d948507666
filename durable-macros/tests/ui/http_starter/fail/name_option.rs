use durable_http::http_starter;

#[http_starter(name = "hello")]
async fn hello() {}

fn main() {}
