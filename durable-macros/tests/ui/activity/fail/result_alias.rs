use durable_core::prelude::*;
use durable_macros::activity;

type Answer = Result<String, ActivityError>;

#[activity]
async fn hello() -> Answer {
    Ok(String::new())
}

fn main() {}
