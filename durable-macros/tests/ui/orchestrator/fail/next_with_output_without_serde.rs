use durable_core::prelude::*;

struct Receipt;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _left: u32) -> Result<Next<Receipt, u32>, OrchestratorError> {
    Ok(Next::Complete(Receipt))
}

fn main() {}
