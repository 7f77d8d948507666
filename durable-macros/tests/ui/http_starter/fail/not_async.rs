use durable_http::http_starter;

#[http_starter]
fn hello() {}

fn main() {}
