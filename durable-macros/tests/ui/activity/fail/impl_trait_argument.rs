use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(input: impl ToString) -> Result<String, ActivityError> {
    Ok(input.to_string())
}

fn main() {}
