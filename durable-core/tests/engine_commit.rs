//! Rule 1: one turn uncommitted at most, fenced, and repeatable when its outcome is unknown.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::faults::FaultyBackend;
use support::{Gate, history, names};

#[activity]
async fn double(n: u64) -> u64 {
    n * 2
}

#[orchestrator]
async fn doubled(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut n = n;
    for _ in 0..3 {
        n = ctx.call_activity(double, n).await?;
    }
    ctx.create_timer(std::time::Duration::ZERO).await;
    Ok(n)
}

async fn run(store: &Arc<FaultyBackend>) -> (u64, Vec<&'static str>) {
    let hub = TaskHub::builder().backend(Arc::clone(store)).orchestrator(doubled).activity(double);
    let hub = hub.start().await.unwrap();
    let run = hub.client().start(doubled, 1).id("d").await.unwrap();
    let output = run.output().await.unwrap();
    let names = names(&history(&hub, run.id()).await);
    hub.shutdown().await.unwrap();
    (output, names)
}

/// Trap 20, and the lost answer of a COMMIT: at every boundary, a commit that fails and one whose answer is lost lead to the
/// same history as one that works.
#[tokio::test(start_paused = true)]
async fn a_failed_or_unanswered_commit_changes_nothing() {
    let store = || Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let healthy = store();
    let expected = run(&healthy).await;
    assert_eq!(expected.0, 8);
    for n in 1..=healthy.commits() {
        let failing = store();
        failing.fail(n);
        assert_eq!(run(&failing).await, expected, "commit {n} failed");
        let silent = store();
        silent.lose_answer(n);
        assert_eq!(run(&silent).await, expected, "the answer to commit {n} was lost");
    }
}

/// A store that is down for a while holds everything up and loses nothing.
#[tokio::test(start_paused = true)]
async fn a_store_that_comes_back_goes_on() {
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let hub = TaskHub::builder().backend(Arc::clone(&store)).orchestrator(doubled).activity(double);
    let hub = hub.start().await.unwrap();
    store.fail_from(2);
    let run = hub.client().start(doubled, 1).await.unwrap();
    store.reached(6).await;
    let refused = hub.client().start(doubled, 1).await.unwrap_err();
    assert_eq!(refused.kind(), &durable_core::client::ClientErrorKind::Store);
    store.heal();
    assert_eq!(run.output().await.unwrap(), 8);
}

/// A sequential step is one commit: [completed i, scheduled i + 1]. The start is another, and the end is the last step.
#[tokio::test]
async fn a_step_is_one_commit() {
    #[orchestrator]
    async fn steps(ctx: OrchestrationContext, n: u64) -> Result<(), OrchestratorError> {
        for i in 0..n {
            ctx.call_activity(double, i).await?;
        }
        Ok(())
    }
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let hub =
        TaskHub::builder().backend(Arc::clone(&store)).orchestrator(steps).activity(double).start().await.unwrap();
    let before = store.commits();
    hub.client().start(steps, 5).await.unwrap().output().await.unwrap();
    assert_eq!(store.commits() - before, 1 + 5 + 1);
}

#[orchestrator]
async fn gated(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.call_activity("gate", ()).await
}

fn worker(store: &Memory, name: &'static str, gate: &Arc<Gate>) -> TaskHubBuilder {
    let gate = Arc::clone(gate);
    TaskHub::builder().backend(store.clone()).orchestrator(gated).activity_fn("gate", move |(): ()| {
        let gate = Arc::clone(&gate);
        async move {
            gate.pass(name).await;
            Ok::<_, ActivityError>(name)
        }
    })
}

/// Trap 20: a worker that lost its instance to another commits nothing more, and what it holds in memory is worthless.
#[tokio::test]
async fn a_lost_lease_leaves_no_trace() {
    let store = Memory::new();
    let (slow, quick) = (Gate::new(), Gate::new());
    let first = worker(&store, "first", &slow).start().await.unwrap();
    let run = first.client().start(gated, ()).id("g").await.unwrap();
    slow.arrival().await;
    // The store lets the second worker take over what the first one runs, as after its lease has run out.
    let second = worker(&store, "second", &quick).start().await.unwrap();
    quick.arrival().await;
    quick.let_through(1);
    let taken = second.client().instance::<String, _>("g").unwrap();
    assert_eq!(taken.output().await.unwrap(), "second");
    let expected = history(&second, taken.id()).await;

    slow.let_through(1);
    first.shutdown().await.unwrap();
    assert_eq!(history(&second, run.id()).await, expected);
    assert_eq!(names(&expected), ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]);
}

/// The turns of many instances share commits, and one that is refused does not hold up the others.
#[tokio::test]
async fn instances_share_commits() {
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let hub =
        TaskHub::builder().backend(Arc::clone(&store)).orchestrator(doubled).activity(double).start().await.unwrap();
    let before = store.commits();
    let client = hub.client();
    let starts = (0..200).map(|n| {
        let client = client.clone();
        async move { client.start(doubled, n).await.unwrap().output().await.unwrap() }
    });
    let outputs = join_all(starts).await;
    assert!(outputs.into_iter().eq((0..200).map(|n| n * 8)));
    let commits = store.commits() - before;
    assert!(commits < 200 * 6 / 4, "{commits} commits for 200 starts and 1,000 turns");
}
