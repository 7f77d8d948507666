use durable_http::http_starter;

#[http_starter(route = "hello/{}")]
async fn hello() {}

fn main() {}
