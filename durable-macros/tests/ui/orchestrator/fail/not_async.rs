use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
fn hello(_ctx: OrchestrationContext, input: String) -> Result<String, OrchestratorError> {
    Ok(input)
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, String::new());
}
