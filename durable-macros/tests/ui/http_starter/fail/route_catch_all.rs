use durable_http::http_starter;

#[http_starter(route = "{*rest}")]
async fn hello(rest: String) { let _ = rest; }

fn main() {}
