//! What a hub on PostgreSQL does while somebody else has rows locked, or the server refuses for a while.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::time::Duration;

use durable_core::client::{ClientError, InstanceHandle};
use durable_core::prelude::*;
use futures_util::future::{join_all, try_join_all};
use tokio::time::timeout;

use self::postgres::Schema;

/// Nothing here takes so long unless it waits for something that does not come.
const LONG: Duration = Duration::from_secs(60);

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn steps(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for _ in 0..n {
        sum = ctx.call_activity(add_one, sum).await?;
    }
    Ok(sum)
}

#[activity]
async fn add_one(_ctx: ActivityContext, n: u64) -> Result<u64, ActivityError> {
    Ok(n + 1)
}

async fn worker(schema: &Schema) -> TaskHub {
    let hub = TaskHub::builder().backend(schema.store().await);
    hub.orchestrator(waits).orchestrator(steps).activity(add_one).start().await.unwrap()
}

/// Starts instances that wait for an event, and waits until they do.
async fn start_waiting(hub: &TaskHub, count: usize) -> Vec<InstanceHandle<String>> {
    let starts = (0..count).map(|n| async move {
        let instance = hub.client().start(waits, ()).id(format!("held-{n}")).await?;
        instance.wait_for_start().await?;
        Ok::<_, ClientError>(instance)
    });
    try_join_all(starts).await.unwrap()
}

/// Runs instances to their ends, one after the other, so that each commit of theirs stands for itself.
async fn run_others(hub: &TaskHub, count: usize) {
    for _ in 0..count {
        assert_eq!(hub.client().start(steps, 3).await.unwrap().output().await.unwrap(), 3);
    }
}

/// Somebody has left a transaction open that has some rows. What is about these rows waits, and nothing else does.
#[tokio::test(flavor = "multi_thread")]
async fn locked_rows_stop_only_what_is_about_them() {
    let schema = Schema::new();
    let hub = worker(&schema).await;
    let held = start_waiting(&hub, 20).await;
    let mut client = schema.client().await;
    let lock = client.transaction().await.unwrap();
    lock.batch_execute("UPDATE instances SET version = '1' WHERE id LIKE 'held-%'").await.unwrap();
    let raise = join_all(held.iter().map(|instance| instance.raise_event("go", &"now")));
    let others = async {
        timeout(LONG / 2, run_others(&hub, 20)).await.expect("nobody has locked these");
        lock.rollback().await.unwrap();
    };
    let (raised, ()) = tokio::join!(raise, others);
    // Whoever was told of an error may try again.
    for (instance, raised) in held.iter().zip(raised) {
        if raised.is_err() {
            instance.raise_event("go", &"now").await.unwrap();
        }
        assert_eq!(timeout(LONG, instance.output()).await.unwrap().unwrap(), "now");
    }
    hub.shutdown().await.unwrap();
}
