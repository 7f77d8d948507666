use durable_core::prelude::*;
use durable_macros::orchestrator;

struct Receipt;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<Receipt, OrchestratorError> {
    Ok(Receipt)
}

fn main() {}
