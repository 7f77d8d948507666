use durable_http::http_starter;

#[http_starter(route = "{a=1}/b")]
async fn hello(a: u8) { let _ = a; }

fn main() {}
