use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, input: &str) -> Result<String, OrchestratorError> {
    Ok(input.to_owned())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, String::new()));
}
