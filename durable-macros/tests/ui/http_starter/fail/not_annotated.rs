use durable_http::Starters;

async fn hello() {}

fn all() -> Starters {
    Starters::new().starter(hello)
}

fn main() {
    let _ = all;
}
