use durable_core::prelude::*;
use durable_macros::activity;

#[activity(state = "Pool")]
async fn hello(input: String) -> Result<String, ActivityError> {
    Ok(input)
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, String::new()));
}
