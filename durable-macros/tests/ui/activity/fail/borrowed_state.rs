use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(_state: State<&str>) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
