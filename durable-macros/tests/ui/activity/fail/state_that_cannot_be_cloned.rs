use durable_core::prelude::*;
use durable_macros::activity;

struct NotClone;

#[activity]
async fn hello(_state: State<NotClone>) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {}
