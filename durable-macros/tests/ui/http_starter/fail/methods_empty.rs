use durable_http::http_starter;

#[http_starter(methods())]
async fn hello() {}

fn main() {}
