use durable_http::http_starter;

#[http_starter(route = "hello/{id=a#b}")]
async fn hello(id: durable_core::model::InstanceId) { let _ = id; }

fn main() {}
