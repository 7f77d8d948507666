use durable_core::prelude::*;
use durable_macros::orchestrator;

struct Greeter;

impl Greeter {
    #[orchestrator]
    async fn hello(&self, _ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        Ok(String::new())
    }
}

fn main() {}
