use durable_http::http_starter;

#[http_starter(route = "{a?}/{b}")]
async fn hello(a: Option<String>, b: String) { let _ = a; let _ = b; }

fn main() {}
