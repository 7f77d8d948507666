use durable_http::http_starter;

#[http_starter]
async extern "C" fn hello() {}

fn main() {}
