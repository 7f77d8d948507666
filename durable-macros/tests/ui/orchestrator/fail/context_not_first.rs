use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(input: String, _ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    Ok(input)
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, String::new());
}
