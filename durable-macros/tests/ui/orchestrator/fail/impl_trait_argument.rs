use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, input: impl ToString) -> Result<String, OrchestratorError> {
    Ok(input.to_string())
}

fn main() {}
