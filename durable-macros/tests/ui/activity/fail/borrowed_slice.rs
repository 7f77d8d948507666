use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(input: &[u64]) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, Vec::<u64>::new()));
}
