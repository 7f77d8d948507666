use durable_core::prelude::*;
use durable_macros::activity;

#[activity(nam = "a", name = "")]
const fn hello(input: &str, more: u32) -> Result<String, ActivityError> {
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, String::new()));
}
