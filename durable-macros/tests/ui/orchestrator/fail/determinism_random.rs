use durable_core::prelude::*;
use durable_macros::orchestrator;

mod rand {
    pub fn random() -> u64 {
        4
    }
}

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let _: u64 = rand::random();
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, ()));
}
