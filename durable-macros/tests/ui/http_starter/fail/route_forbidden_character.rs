use durable_http::http_starter;

#[http_starter(route = "hello%20you")]
async fn hello() {}

fn main() {}
