use durable_core::prelude::*;
use durable_macros::activity;

#[activity]
const fn hello(input: u8) -> u8 {
    input
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_activity(hello, 1));
}
