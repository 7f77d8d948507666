use durable_http::http_starter;

#[http_starter(route = "hello/{count:int}")]
async fn hello(count: f64) { let _ = count; }

fn main() {}
