use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello() -> Result<&'static str, ActivityError> {
    Ok("hello")
}

fn main() {}
