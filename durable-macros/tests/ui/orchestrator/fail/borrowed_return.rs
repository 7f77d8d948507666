use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<&'static str, OrchestratorError> {
    Ok("hello")
}

fn main() {}
