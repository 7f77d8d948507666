use durable_core::prelude::*;

#[orchestrator(version = "11111111111111111111111111111111111111111111111111111111111111111")]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
