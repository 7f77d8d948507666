use durable_http::http_starter;

#[http_starter]
async fn hello() -> u32 { 1 }

fn main() {}
