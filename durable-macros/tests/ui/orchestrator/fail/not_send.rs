use durable_core::prelude::*;
use durable_macros::orchestrator;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let text = std::rc::Rc::new(String::new());
    std::future::ready(()).await;
    Ok(text.to_string())
}

fn main() {}
