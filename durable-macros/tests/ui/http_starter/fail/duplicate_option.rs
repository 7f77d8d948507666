use durable_http::http_starter;

#[http_starter(route = "a", route = "b")]
async fn hello() {}

fn main() {}
