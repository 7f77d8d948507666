use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, input: &str) -> Result<String, OrchestratorError> {
    Ok(input.to_owned())
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, String::new());
}
