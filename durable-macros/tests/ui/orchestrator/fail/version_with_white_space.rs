use durable_core::prelude::*;

#[orchestrator(version = " 1.0")]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
