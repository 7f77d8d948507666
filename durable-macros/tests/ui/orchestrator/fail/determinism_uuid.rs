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
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, ());
}
