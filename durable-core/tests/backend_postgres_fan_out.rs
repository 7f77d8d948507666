//! A wide fan-out on PostgreSQL is the work of all workers.
#![cfg(feature = "postgres")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/postgres.rs"]
mod postgres;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use durable_core::prelude::*;
use tokio::time::timeout;

use self::postgres::Schema;

/// Nothing here takes so long unless it waits for something that does not come.
const LONG: Duration = Duration::from_secs(120);

/// Gives who ran each call.
#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, count: usize) -> Result<Vec<String>, OrchestratorError> {
    let calls = (0..count).map(|n| ctx.call_activity::<_, &str>("who", n)).collect::<Vec<_>>();
    try_join_all(calls).await
}

/// A worker that runs 50 calls at a time, each of which waits for something for 20 ms.
async fn worker(schema: &Schema, name: &'static str, ran: &Arc<Vec<AtomicUsize>>) -> TaskHub {
    let ran = Arc::clone(ran);
    let who = move |n: usize| {
        let ran = Arc::clone(&ran);
        async move {
            ran[n].fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok::<_, ActivityError>(name)
        }
    };
    let hub = TaskHub::builder().backend(schema.store().await).max_concurrent_activities(50);
    hub.orchestrator(fan_out).activity_fn("who", who).start().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_calls_are_shared_by_three_workers() {
    const COUNT: usize = 10_000;
    let schema = Schema::new();
    let ran = Arc::new((0..COUNT).map(|_| AtomicUsize::new(0)).collect());
    let mut hubs = Vec::new();
    for name in ["first", "second", "third"] {
        hubs.push(worker(&schema, name, &ran).await);
    }
    let run = hubs[0].client().start(fan_out, COUNT).await.unwrap();
    let who = timeout(LONG, run.output()).await.unwrap().unwrap();
    let mut shares = HashMap::<_, usize>::new();
    for name in who {
        *shares.entry(name).or_default() += 1;
    }
    assert_eq!(shares.values().sum::<usize>(), COUNT);
    // A third would be fair.
    assert!(shares.len() == 3 && shares.values().all(|share| *share > COUNT / 6), "{shares:?}");
    let repeated = ran.iter().filter(|ran| ran.load(Ordering::Relaxed) != 1).count();
    assert_eq!(repeated, 0, "each ran once");
    let history = hubs[2].client().history(run.id()).await.unwrap().unwrap();
    assert_eq!(history.iter().filter(|event| event.kind.name() == "TaskCompleted").count(), COUNT);
    for hub in hubs {
        hub.shutdown().await.unwrap();
    }
}
