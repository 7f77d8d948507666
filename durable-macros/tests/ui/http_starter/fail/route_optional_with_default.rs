use durable_http::http_starter;

#[http_starter(route = "hello/{name?=you}")]
async fn hello(name: String) { let _ = name; }

fn main() {}
