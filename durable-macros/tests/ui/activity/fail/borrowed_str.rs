use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(input: &str) -> Result<String, ActivityError> {
    Ok(input.to_owned())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, String::new()));
}
