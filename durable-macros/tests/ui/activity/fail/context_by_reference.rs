use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
async fn hello(_ctx: &ActivityContext, a: String) -> Result<String, ActivityError> {
    Ok(a)
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, String::new()));
}
