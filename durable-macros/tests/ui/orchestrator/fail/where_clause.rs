use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError>
where
    String: Clone,
{
    Ok(String::new())
}

fn main() {}
