use durable_http::http_starter;

#[http_starter(route = "hello?{all=yes}")]
async fn hello(all: bool) { let _ = all; }

fn main() {}
