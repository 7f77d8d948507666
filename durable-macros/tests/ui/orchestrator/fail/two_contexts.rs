use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _again: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, ()));
}
