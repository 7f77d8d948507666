use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello<const N: usize>() -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
