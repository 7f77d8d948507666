use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let _ = format!("{:?}", std::time::Instant::now());
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, ()));
}
