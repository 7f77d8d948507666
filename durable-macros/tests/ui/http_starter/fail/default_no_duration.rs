use durable_http::http_starter;

#[http_starter(route = "hello/{wait=10s}")]
async fn hello(wait: std::time::Duration) { let _ = wait; }

fn main() {}
