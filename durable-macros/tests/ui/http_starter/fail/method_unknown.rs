use durable_http::http_starter;

#[http_starter(methods("GET", "FETCH"))]
async fn hello() {}

fn main() {}
