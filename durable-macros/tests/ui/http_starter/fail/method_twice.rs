use durable_http::http_starter;

#[http_starter(methods("GET", "POST", "get"))]
async fn hello() {}

fn main() {}
