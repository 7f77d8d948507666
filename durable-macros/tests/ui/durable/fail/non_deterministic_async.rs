use durable_core::prelude::*;

#[durable]
async fn hello(ctx: &OrchestrationContext) {
    let _ = ctx.now();
    tokio::time::sleep(std::time::Duration::ZERO).await;
}

fn main() {}
