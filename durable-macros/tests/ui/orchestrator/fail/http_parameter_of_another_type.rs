use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator(http = "hello/{id:int}?{timeout:bool?}")]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(String::new())
}

fn main() {}
