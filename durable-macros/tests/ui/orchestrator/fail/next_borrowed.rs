use durable_core::prelude::*;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _left: u32) -> Result<Next<&'static str, u32>, OrchestratorError> {
    Ok(Next::Complete(""))
}

fn main() {}
