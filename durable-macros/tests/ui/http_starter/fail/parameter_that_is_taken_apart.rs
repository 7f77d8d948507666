use durable_http::Json;
use durable_http::http_starter;

#[http_starter(route = "hello/{input}")]
async fn hello(Json(input): Json<String>) { let _ = input; }

fn main() {}
