use durable_http::http_starter;

#[http_starter]
async unsafe fn hello() {}

fn main() {}
