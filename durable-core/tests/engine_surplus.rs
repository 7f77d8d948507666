//! Rule 3: calls run where they were scheduled while there is room; the surplus waits in the store without a runner.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::faults::FaultyBackend;
use support::{Gate, history, names};

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity::<_, &str>("work", i)).collect::<Vec<_>>();
    Ok(try_join_all(calls).await?.into_iter().map(|n: u64| n).sum())
}

fn hub(gate: &Arc<Gate>) -> TaskHubBuilder {
    let gate = Arc::clone(gate);
    TaskHub::builder().orchestrator(fan_out).activity_fn("work", move |ctx: ActivityContext, n: u64| {
        let gate = Arc::clone(&gate);
        async move {
            gate.pass(format!("{} {n}", ctx.instance_id())).await;
            Ok::<_, ActivityError>(n)
        }
    })
}

/// A fan-out that is far larger than the room in this process runs to its end, each call once.
#[tokio::test]
async fn a_surplus_of_calls_is_taken_from_the_store_when_there_is_room() {
    let gate = Gate::new();
    gate.let_through(1_000);
    let hub =
        hub(&gate).backend(Memory::new()).local_activities(16).max_concurrent_activities(8).start().await.unwrap();
    let run = hub.client().start(fan_out, 500).await.unwrap();
    assert_eq!(run.output().await.unwrap(), (0..500).sum::<u64>());
    let mut seen = HashSet::new();
    for _ in 0..500 {
        assert!(seen.insert(gate.arrival().await), "a call ran twice");
    }
    assert!(gate.started.try_lock().unwrap().try_recv().is_err());
    let history = history(&hub, run.id()).await;
    assert_eq!(names(&history).iter().filter(|name| **name == "TaskCompleted").count(), 500);
}

/// Claims of the surplus survive commits that fail and answers that get lost.
#[tokio::test(start_paused = true)]
async fn a_claim_of_the_surplus_can_fail() {
    for n in 1..12 {
        for lose in [false, true] {
            let gate = Gate::new();
            gate.let_through(1_000);
            let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
            if lose {
                store.lose_answer(n);
            } else {
                store.fail(n);
            }
            let hub = hub(&gate)
                .backend(Arc::clone(&store))
                .local_activities(8)
                .max_concurrent_activities(4)
                .start()
                .await
                .unwrap();
            let run = hub.client().start(fan_out, 40).await.unwrap();
            assert_eq!(run.output().await.unwrap(), (0..40).sum::<u64>(), "commit {n}, lost: {lose}");
        }
    }
}

/// One instance gets at most a quarter of the room when it makes its calls, and the store's calls only what the runners
/// can take, so that a giant leaves room to the others.
#[tokio::test]
async fn a_giant_does_not_take_all_the_room() {
    let gate = Gate::new();
    let hub =
        hub(&gate).backend(Memory::new()).local_activities(16).max_concurrent_activities(8).start().await.unwrap();
    let giant = hub.client().start(fan_out, 100).id("giant").await.unwrap();
    let mut arrivals = Vec::new();
    for _ in 0..8 {
        arrivals.push(gate.arrival().await);
    }
    let small = hub.client().start(fan_out, 1).id("small").await.unwrap();
    while small.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    // All runners hold the giant's calls; the small instance's call is among the next ones.
    while !arrivals.iter().any(|who: &String| who.starts_with("small ")) {
        gate.let_through(1);
        arrivals.push(gate.arrival().await);
    }
    assert!(arrivals.len() < 16, "{arrivals:?}");
    gate.let_through(1_000);
    assert_eq!(giant.output().await.unwrap(), (0..100).sum::<u64>());
}

/// Calls that run for long do not hold up those that wait in the store, as long as there are free runners.
#[tokio::test]
async fn long_calls_do_not_hold_up_the_surplus() {
    let long = Gate::new();
    let held = Arc::clone(&long);
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(fan_out).orchestrator(mixed);
    let hub = hub.activity_fn("work", |n: u64| async move { Ok::<_, ActivityError>(n) });
    let hub = hub.activity_fn("long", move |n: u64| {
        let held = Arc::clone(&held);
        async move {
            held.pass(n).await;
            Ok::<_, ActivityError>(n)
        }
    });
    let hub = hub.local_activities(4).max_concurrent_activities(8).start().await.unwrap();
    hub.client().start(mixed, 7).await.unwrap();
    for _ in 0..7 {
        long.arrival().await;
    }
    let short = hub.client().start(fan_out, 50).await.unwrap();
    assert_eq!(short.output().await.unwrap(), (0..50).sum::<u64>());
}

#[orchestrator]
async fn mixed(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity::<_, &str>("long", i)).collect::<Vec<_>>();
    Ok(try_join_all(calls).await?.into_iter().map(|n: u64| n).sum())
}

/// Room that becomes free because calls are cancelled is used too.
#[tokio::test]
async fn cancelled_calls_make_room_for_the_surplus() {
    let gate = Gate::new();
    let hub = hub(&gate).backend(Memory::new()).local_activities(4).max_concurrent_activities(2).start().await.unwrap();
    let mut blocked = Vec::new();
    for _ in 0..4 {
        blocked.push(hub.client().start(fan_out, 1).await.unwrap());
    }
    gate.arrival().await;
    gate.arrival().await;
    let last = hub.client().start(fan_out, 1).id("last").await.unwrap();
    while last.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    for run in blocked {
        run.terminate("in the way").await.unwrap();
        run.wait().await.unwrap();
    }
    // A terminated call that is running ends when it likes; its runner is free then.
    gate.let_through(5);
    assert_eq!(last.output().await.unwrap(), 0);
}

/// Instances take turns at the runners: a single call does not wait behind a fan-out.
#[tokio::test]
async fn runners_go_round_between_instances() {
    let gate = Gate::new();
    let hub = hub(&gate).backend(Memory::new()).max_concurrent_activities(1).start().await.unwrap();
    hub.client().start(fan_out, 200).id("giant").await.unwrap();
    gate.arrival().await;
    let small = hub.client().start(fan_out, 1).id("small").await.unwrap();
    while small.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    gate.let_through(3);
    let arrivals = [gate.arrival().await, gate.arrival().await];
    assert!(arrivals.iter().any(|who| who.starts_with("small ")), "{arrivals:?}");
}
