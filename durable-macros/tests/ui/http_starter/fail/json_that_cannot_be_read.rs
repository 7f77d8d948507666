use durable_http::{Json, http_starter};

struct Own;

#[http_starter]
async fn hello(Json(_own): Json<Own>) {}

fn main() {}
