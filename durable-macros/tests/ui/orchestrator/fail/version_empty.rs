use durable_core::prelude::*;

#[orchestrator(version = "")]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
