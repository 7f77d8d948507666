use durable_core::prelude::*;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<Next<String, u32>, OrchestratorError> {
    Ok(Next::Complete(String::new()))
}

fn main() {}
