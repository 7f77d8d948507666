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
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, ());
}
