use durable_http::http_starter;

#[http_starter(route = "{name}?{name}")]
async fn hello(name: String) { let _ = name; }

fn main() {}
