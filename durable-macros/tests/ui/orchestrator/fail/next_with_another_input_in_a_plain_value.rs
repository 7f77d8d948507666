use durable_core::prelude::*;

#[orchestrator]
async fn hello(_ctx: OrchestrationContext, _left: u32) -> Next<String, Vec<u8>> {
    Next::Complete(String::new())
}

fn main() {}
