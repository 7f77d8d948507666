use durable_http::http_starter;

#[http_starter]
const fn hello() {}

fn main() {}
