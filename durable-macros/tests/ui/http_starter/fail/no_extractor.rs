use durable_http::http_starter;

#[http_starter]
async fn hello(name: u32) { let _ = name; }

fn main() {}
