use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(_ctx: ActivityContext, State(_a): State<u8>, a: String, b: u32) -> Result<String, ActivityError> {
    Ok(a)
}

fn main() {}
