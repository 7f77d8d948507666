use durable_http::http_starter;

#[http_starter(route = "hello/{first name}")]
async fn hello() {}

fn main() {}
