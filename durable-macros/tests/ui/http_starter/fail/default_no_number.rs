use durable_http::http_starter;

#[http_starter(route = "hello/{count=one}")]
async fn hello(count: u32) { let _ = count; }

fn main() {}
