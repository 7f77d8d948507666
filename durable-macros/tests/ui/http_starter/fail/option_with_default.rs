use durable_http::http_starter;

#[http_starter(route = "hello/{count=1}")]
async fn hello(count: Option<u8>) { let _ = count; }

fn main() {}
