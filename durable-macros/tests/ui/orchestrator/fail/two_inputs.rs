use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, a: String, b: u32) -> Result<String, OrchestratorError> {
    Ok(a)
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, String::new()));
}
