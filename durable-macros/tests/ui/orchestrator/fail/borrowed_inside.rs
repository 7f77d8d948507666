use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _input: Vec<&'static str>) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
