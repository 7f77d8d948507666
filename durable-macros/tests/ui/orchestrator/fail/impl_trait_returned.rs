use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<impl ToString, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
