use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, a: String, b: u32) -> Result<String, OrchestratorError> {
    Ok(a)
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, String::new());
}
