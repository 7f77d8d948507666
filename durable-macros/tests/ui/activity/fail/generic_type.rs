use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello<T>(_input: T) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
