use durable_http::http_starter;

#[http_starter(route = "hello/{names}")]
async fn hello(names: Vec<String>) { let _ = names; }

fn main() {}
