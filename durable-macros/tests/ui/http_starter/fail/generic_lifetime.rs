use durable_http::http_starter;

#[http_starter]
async fn hello<'a>(_value: &'a str) {}

fn main() {}
