use durable_http::http_starter;

#[http_starter(methods = "GET")]
async fn hello() {}

fn main() {}
