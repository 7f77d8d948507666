use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello<'a>(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
