use durable_http::http_starter;

#[http_starter]
async fn hello(_value: impl Clone) {}

fn main() {}
