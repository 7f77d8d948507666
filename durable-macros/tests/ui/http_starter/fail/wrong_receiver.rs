use durable_http::http_starter;

struct Own;

impl Own {
    #[http_starter]
    async fn hello(&self) {}
}

fn main() {}
