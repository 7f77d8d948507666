use durable_http::http_starter;

#[http_starter(route)]
async fn hello() {}

fn main() {}
