use durable_core::prelude::*;
use durable_macros::orchestrator;

struct Wrong;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, Wrong> {
    Err(Wrong)
}

fn main() {}
