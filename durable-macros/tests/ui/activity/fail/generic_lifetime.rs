use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello<'a>(_input: String) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
