use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(_ctx: OrchestrationContext, a: String) -> Result<String, ActivityError> {
    Ok(a)
}

fn main() {}
