use durable_http::http_starter;

#[http_starter]
async fn hello() -> Result<(), u32> { Ok(()) }

fn main() {}
