use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, input: std::borrow::Cow<'_, str>) -> Result<String, OrchestratorError> {
    Ok(input.into_owned())
}

fn main() {}
