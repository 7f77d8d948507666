use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello<T>(_ctx: OrchestrationContext, _input: T) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
