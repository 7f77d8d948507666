use durable_core::prelude::*;
use durable_macros::orchestrator;

struct Order;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _order: Order) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
