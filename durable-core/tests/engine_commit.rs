//! Rule 1: one turn uncommitted at most, fenced, and repeatable when its outcome is unknown.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;
use durable_core::client::ClientErrorKind;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::faults::FaultyBackend;
use durable_testing::world::{WorldBuilder, chaos};
use futures_util::FutureExt;
use tokio::sync::Notify;

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
    ctx.create_timer(Duration::ZERO).await;
    Ok(n)
}

fn world() -> WorldBuilder {
    World::builder().orchestrator(doubled).activity(double)
}

/// Trap 20, and the lost answer of a COMMIT: at every boundary, a commit that fails, one whose answer is lost and the end of the
/// process before and after it lead to the same history as one that works.
#[test]
fn a_failed_or_unanswered_commit_changes_nothing() {
    let story = |world: WorldBuilder| {
        let run = world.orchestrator(doubled).activity(double).build().start_as("d", doubled, 1);
        assert_eq!(run.output(), 8);
        run.history().iter().map(|event| event.kind.name()).collect::<Vec<_>>()
    };
    assert_eq!(chaos::every_crash_point(story).commits, 7);
    assert_eq!(chaos::every_crash_point(|world| story(world.sqlite())).commits, 7);
}

/// A store that is down for a while holds everything up and loses nothing.
#[test]
fn a_store_that_comes_back_goes_on() {
    let world = world().build();
    let store = world.faults();
    store.fail_from(store.commits() + 2);
    let run = world.start(doubled, 1);
    assert!(run.run_until_complete().is_err());
    let refused = world.client().start(doubled, 1).into_future().now_or_never().unwrap().unwrap_err();
    assert_eq!(refused.kind(), &ClientErrorKind::Store);
    store.heal();
    assert_eq!(run.output(), 8);
}

/// Whoever waits for an answer does not wait for one silence of the store after the other.
#[tokio::test(start_paused = true)]
async fn a_silence_is_waited_for_once() {
    let store = Arc::new(FaultyBackend::new(Arc::new(Memory::new())));
    let hub =
        TaskHub::builder().orchestrator(doubled).activity(double).backend(Arc::clone(&store)).start().await.unwrap();
    let before = store.commits();
    store.hold();
    let client = hub.client();
    let mut start = tokio::spawn(async move { client.start(doubled, 1).await.map(|_| ()) });
    assert!(tokio::time::timeout(Duration::from_secs(30), &mut start).await.is_err(), "nothing answers");
    store.fail_from(before + 1);
    store.resume();
    assert_eq!(start.await.unwrap().unwrap_err().kind(), &ClientErrorKind::Store);
    assert!(store.commits() - before <= 2, "one was under way, and one has the start");
    store.heal();
    hub.shutdown().await.unwrap();
}

/// A sequential step is one commit: [completed i, scheduled i + 1]. The start is another, and the end is the last step.
#[test]
fn a_step_is_one_commit() {
    #[orchestrator]
    async fn steps(ctx: OrchestrationContext, n: u64) -> Result<(), OrchestratorError> {
        for i in 0..n {
            ctx.call_activity(double, i).await?;
        }
        Ok(())
    }
    let world = world().orchestrator(steps).build();
    let before = world.faults().commits();
    let () = world.start(steps, 5).output();
    assert_eq!(world.faults().commits() - before, 1 + 5 + 1);
}

/// The turns of many instances share commits.
#[test]
fn instances_share_commits() {
    let world = world().build();
    let before = world.faults().commits();
    let client = world.client();
    let starts = (0..200).map(|n| {
        let start = client.start(doubled, n).into_future();
        async move { start.await.unwrap().output().await.unwrap() }
    });
    let outputs = world.run_inside(join_all(starts));
    assert!(outputs.into_iter().eq((0..200).map(|n| n * 8)));
    let commits = world.faults().commits() - before;
    assert!(commits < 200 * 6 / 4, "{commits} commits for 200 starts and 1,000 turns");
}

#[orchestrator]
async fn gated(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.call_activity("gate", ()).await
}

/// Who is asked, and the permission to answer.
#[derive(Clone, Default)]
struct Gate(Arc<(Notify, Notify)>);

fn worker(store: impl Backend, name: &'static str, gate: &Gate) -> TaskHubBuilder {
    let Gate(gate) = gate.clone();
    TaskHub::builder().backend(store).orchestrator(gated).activity_fn("gate", move |(): ()| {
        let gate = Arc::clone(&gate);
        async move {
            gate.0.notify_one();
            gate.1.notified().await;
            Ok::<_, ActivityError>(name)
        }
    })
}

/// Trap 20: a worker that lost its instance to another commits nothing more, and what it holds in memory is worthless.
///
/// Two processes at the same time are two hubs here: a world has one.
#[tokio::test]
async fn a_lost_lease_leaves_no_trace() {
    let store = Memory::new();
    let (slow, quick) = (Gate::default(), Gate::default());
    let watched = Arc::new(FaultyBackend::new(Arc::new(store.clone())));
    let first = worker(Arc::clone(&watched), "first", &slow).start().await.unwrap();
    let run = first.client().start(gated, ()).id("g").await.unwrap();
    slow.0.0.notified().await;
    // The store lets the second worker take over what the first one runs, as after its lease has run out.
    let second = worker(store, "second", &quick).start().await.unwrap();
    quick.0.1.notify_one();
    let taken = second.client().instance::<String, _>("g").unwrap();
    assert_eq!(taken.output().await.unwrap(), "second");
    let expected = second.client().history(taken.id()).await.unwrap().unwrap();

    // It commits a turn, and is refused.
    let before = watched.commits();
    slow.0.1.notify_one();
    watched.reached(before + 1).await;
    first.shutdown().await.unwrap();
    assert_eq!(second.client().history(run.id()).await.unwrap().unwrap(), expected);
    durable_testing::assert_history!(expected, [ExecutionStarted, TaskScheduled, TaskCompleted, ExecutionCompleted]);
}
