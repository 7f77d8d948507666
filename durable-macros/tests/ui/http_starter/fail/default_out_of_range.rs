use durable_http::http_starter;

#[http_starter(route = "hello/{count=256}")]
async fn hello(count: u8) { let _ = count; }

fn main() {}
