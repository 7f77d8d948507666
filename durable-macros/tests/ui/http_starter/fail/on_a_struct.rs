use durable_http::http_starter;

#[http_starter]
struct Hello;

fn main() {}
