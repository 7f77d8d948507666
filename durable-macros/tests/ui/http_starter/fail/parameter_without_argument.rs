use durable_http::http_starter;

#[http_starter(route = "hello/{showHistory}")]
async fn hello() {}

fn main() {}
