use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator(http = "START hello")]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
