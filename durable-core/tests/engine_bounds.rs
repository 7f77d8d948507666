//! Rule 6: turns, queues and memory are bounded, and a giant does not starve the others.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::atomic::{AtomicBool, Ordering};

use durable_core::prelude::*;
use support::{Process, history, received_per_turn};

static HELD: AtomicBool = AtomicBool::new(true);

#[orchestrator]
async fn counts(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    #[nondeterministic(reason = "holds the first turn until every event is there")]
    while HELD.load(Ordering::SeqCst) {
        std::thread::yield_now();
    }
    let mut sum = 0;
    for _ in 0..n {
        sum += ctx.wait_for_external_event::<u64>("n").await?;
    }
    Ok(sum)
}

#[test]
fn a_turn_takes_at_most_a_thousand_events() {
    let process = Process::start(TaskHub::builder().backend(Memory::new()).orchestrator(counts));
    process.run(async {
        let run = process.hub.client().start(counts, 2_500).await.unwrap();
        for n in 0..2_500_u64 {
            run.raise_event("n", &n).await.unwrap();
        }
        HELD.store(false, Ordering::SeqCst);
        assert_eq!(run.output().await.unwrap(), (0..2_500).sum::<u64>());
        let received = received_per_turn(&history(&process.hub, run.id()).await);
        assert!(received.iter().all(|count| *count <= 1_000), "{received:?}");
        assert_eq!(received.iter().sum::<usize>(), 2_501);
        assert!(received.len() <= 5, "events that are there are taken together: {received:?}");
    });
    process.stop();
}

#[activity]
async fn square(n: u64) -> u64 {
    n * n
}

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(try_join_all((0..n).map(|i| ctx.call_activity(square, i))).await?.into_iter().sum())
}

/// Ten thousand calls of one orchestration are ordinary.
#[test]
fn a_fan_out_of_ten_thousand() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(fan_out).activity(square);
    let process = Process::start(hub);
    process.run(async {
        let giant = process.hub.client().start(fan_out, 10_000).await.unwrap();
        let small = process.hub.client().start(fan_out, 1).await.unwrap();
        assert_eq!(small.output().await.unwrap(), 0);
        assert_eq!(giant.output().await.unwrap(), (0..10_000_u64).map(|n| n * n).sum::<u64>());
        let received = received_per_turn(&history(&process.hub, giant.id()).await);
        assert!(received.iter().all(|count| *count <= 1_000), "{received:?}");
    });
    process.stop();
}

/// Starts beyond what memory shall hold wait in the store, and all of them run.
#[test]
fn starts_beyond_the_bound_wait_in_the_store() {
    static OPEN: tokio::sync::Semaphore = tokio::sync::Semaphore::const_new(0);

    #[orchestrator]
    async fn held(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
        ctx.call_activity("hold", n).await
    }
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(held).busy_instances(0);
    let hub = hub.activity_fn("hold", |n: u64| async move {
        OPEN.acquire().await?.forget();
        Ok::<_, ActivityError>(n)
    });
    let process = Process::start(hub);
    process.run(async {
        let client = process.hub.client();
        let mut runs = Vec::new();
        for n in 0..3_000 {
            runs.push(client.start(held, n).await.unwrap());
        }
        OPEN.add_permits(3_000);
        for (n, run) in runs.into_iter().enumerate() {
            assert_eq!(run.output().await.unwrap(), n as u64);
        }
        assert_eq!(OPEN.available_permits(), 0);
    });
    process.stop();
}
