use durable_core::prelude::*;
use durable_macros::orchestrator;

struct Uuid;

impl Uuid {
    fn new_v4() {}
}

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Uuid::new_v4();
    Ok(String::new())
}

fn main() {
    let _ = |ctx: OrchestrationContext| drop(ctx.call_sub_orchestrator(hello, ()));
}
