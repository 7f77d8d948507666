use durable_http::http_starter;

#[http_starter]
async fn hello() -> impl Sized {}

fn main() {}
