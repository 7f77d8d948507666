use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: &OrchestrationContext, input: String) -> Result<String, OrchestratorError> {
    Ok(input)
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, String::new()));
}
