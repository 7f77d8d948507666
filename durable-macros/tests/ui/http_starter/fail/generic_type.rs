use durable_http::http_starter;

#[http_starter]
async fn hello<T: Send>(_value: T) {}

fn main() {}
