//! A route without `route =` in front.

use durable_http::{Json, http_starter};

#[http_starter("double/{number}")]
async fn double(number: u32) -> Json<u32> {
    Json(2 * number)
}

fn main() {}
