use durable_core::prelude::*;
use durable_macros::orchestrator;

type Answer = Result<String, std::fmt::Error>;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext) -> Answer {
    Ok(String::new())
}

fn main() {}
