use durable_core::prelude::*;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _left: u32) -> Result<Next<String, Vec<u8>>, OrchestratorError> {
    Ok(Next::Complete(String::new()))
}

fn main() {}
