use durable_core::prelude::*;

type Step = Next<String, Vec<u8>>;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _left: u32) -> Result<Step, OrchestratorError> {
    Ok(Next::Complete(String::new()))
}

fn main() {}
