use durable_http::http_starter;

#[http_starter]
async fn hello()
where
    String: Clone,
{
}

fn main() {}
