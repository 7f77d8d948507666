use durable_core::client::Client;
use durable_http::Starters;

async fn hello() {}

fn all(client: Client) -> Starters {
    Starters::new(client).starter(hello)
}

fn main() {
    let _ = all;
}
