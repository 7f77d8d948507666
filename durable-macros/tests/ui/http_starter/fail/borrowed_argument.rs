use durable_http::http_starter;

#[http_starter(route = "hello/{name}")]
async fn hello(name: &str) { let _ = name; }

fn main() {}
