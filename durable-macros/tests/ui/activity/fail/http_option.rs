use durable_core::prelude::*;
use durable_macros::activity;

#[activity(http = "hello")]
async fn hello() -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
