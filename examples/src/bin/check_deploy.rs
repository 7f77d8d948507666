//! Checks before a deployment whether every live instance of a hub can go on with the code of this program.
//!
//! Run with `cargo run -p examples --bin check_deploy [-- URL]`. The address is that of the hub's HTTP API and may carry a key.
//! Without one it checks a hub in memory that has two instances of the old code. It fails when an instance does not fit.

#![expect(clippy::print_stdout, reason = "an example prints what it does")]

use std::error::Error;
use std::process::ExitCode;

use durable_core::prelude::*;
use durable_http::RemoteClient;
use durable_testing::recorded::{Deployment, check_live};

#[activity]
async fn reserve(items: u32) -> u32 {
    items
}

#[activity]
async fn check_credit(items: u32) -> bool {
    items < 100
}

/// What runs in production.
#[orchestrator(name = "order")]
async fn order_before(ctx: OrchestrationContext, items: u32) -> Result<u32, OrchestratorError> {
    let reserved = ctx.call_activity(reserve, items).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    Ok(reserved)
}

/// What is to be deployed. Its first call is a new one, so old instances cannot go on with it.
#[orchestrator]
async fn order(ctx: OrchestrationContext, items: u32) -> Result<u32, OrchestratorError> {
    let _good = ctx.call_activity(check_credit, items).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(reserve, items).await
}

/// A hub as it is before the deployment.
async fn production() -> Result<TaskHub, Box<dyn Error>> {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(order_before).activity(reserve).start().await?;
    for id in ["order-1", "order-2"] {
        hub.client().start(order_before, 3).id(id).await?.wait_for_start().await?;
    }
    Ok(hub)
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn Error>> {
    let (client, _hub) = match std::env::args().nth(1) {
        Some(url) => (Client::from(RemoteClient::connect(&url)?), None),
        None => {
            let hub = production().await?;
            (hub.client(), Some(hub))
        }
    };
    let check = check_live(&client, &Deployment::new().orchestrator(order)).await?;
    println!("{check}");
    Ok(if check.all_fit() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[cfg(test)]
#[tokio::test]
async fn old_instances_fit_the_old_code_only() {
    let client = production().await.unwrap().client();
    assert!(check_live(&client, &Deployment::new().orchestrator(order_before)).await.unwrap().all_fit());
    assert_eq!(check_live(&client, &Deployment::new().orchestrator(order)).await.unwrap().problems().count(), 2);
}
