use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator(nam = "a", name = "")]
unsafe fn hello(input: &str, more: u32) -> Result<String, OrchestratorError> {
    Ok(uuid::Uuid::new_v4().to_string())
}

fn main() {
    fn uses<M, F: durable_core::orchestration::OrchestratorFn<M>>(_: F, _: F::Input) {}
    uses(hello, String::new());
}
