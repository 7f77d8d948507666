use durable_http::http_starter;

#[http_starter(route = "hello?{a}?{b}")]
async fn hello(a: u8, b: u8) { let _ = a; let _ = b; }

fn main() {}
