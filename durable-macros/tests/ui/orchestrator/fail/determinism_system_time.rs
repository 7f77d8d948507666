use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let _ = std::time::SystemTime::now();
    Ok(String::new())
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, ());
}
