use durable_http::http_starter;

#[http_starter(rout = "hello")]
async fn hello() {}

fn main() {}
