use durable_http::http_starter;

#[http_starter(route = "hello//you")]
async fn hello() {}

fn main() {}
