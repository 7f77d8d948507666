//! Failures that are taken back.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use durable_core::client::ClientErrorKind;
use durable_core::history::EventKind;
use durable_core::prelude::*;
use support::{history, names};

/// A world that fails until it is repaired, and counts what is asked of it.
#[derive(Clone, Default)]
struct World {
    repaired: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

#[activity]
async fn fragile(State(world): State<World>, n: u64) -> Result<u64, ActivityError> {
    world.calls.fetch_add(1, Ordering::SeqCst);
    if world.repaired.load(Ordering::SeqCst) { Ok(n) } else { Err(ActivityError::msg(format!("{n} is broken"))) }
}

#[activity]
async fn solid(n: u64) -> u64 {
    n
}

async fn hub(world: &World) -> TaskHub {
    let hub = TaskHub::builder().backend(Memory::new()).activity(fragile).activity(solid).state(world.clone());
    let hub = hub.orchestrator(chain).orchestrator(all).orchestrator(saga).orchestrator(retried).orchestrator(parent);
    hub.orchestrator(child).orchestrator(races).start().await.unwrap()
}

#[orchestrator]
async fn chain(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let one = ctx.call_activity(solid, 1).await?;
    let two = ctx.call_activity(fragile, 2).await?;
    Ok(one + two + ctx.call_activity(solid, 3).await?)
}

#[tokio::test]
async fn a_failed_call_is_made_again_and_nothing_else() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(chain, ()).id("a").await.unwrap();
    assert_eq!(run.wait().await.unwrap().runtime_status, RuntimeStatus::Failed);
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 6);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    let events = history(&hub, run.id()).await;
    let expected = [
        "ExecutionStarted",
        "TaskScheduled",
        "TaskCompleted",
        "TaskScheduled",
        "ExecutionRewound",
        "TaskCompleted",
        "TaskScheduled",
        "TaskCompleted",
        "ExecutionCompleted",
    ];
    assert_eq!(names(&events), expected);
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_rewind_that_meets_the_same_failure_can_be_repeated() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(chain, ()).await.unwrap();
    for _ in 0..3 {
        run.wait().await.unwrap();
        hub.client().rewind(run.id(), "try").await.unwrap();
    }
    assert_eq!(run.wait().await.unwrap().runtime_status, RuntimeStatus::Failed);
    assert_eq!(world.calls.load(Ordering::SeqCst), 4);
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn all(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let calls = (0..4).map(|n| if n % 2 == 0 { ctx.call_activity(solid, n) } else { ctx.call_activity(fragile, n) });
    Ok(when_all(calls).await?.into_iter().sum())
}

#[tokio::test]
async fn every_failure_that_was_kept_until_the_end_is_taken_back() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(all, ()).await.unwrap();
    run.wait().await.unwrap();
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 6);
    assert_eq!(world.calls.load(Ordering::SeqCst), 4);
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn saga(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let caught = ctx.call_activity(fragile, 1).await.is_err();
    ctx.call_activity(solid, u64::from(caught)).await?;
    ctx.call_activity(fragile, 2).await
}

/// Trap 14: what the code has dealt with stays dealt with.
#[tokio::test]
async fn a_caught_failure_stays() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(saga, ()).await.unwrap();
    run.wait().await.unwrap();
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 2);
    assert_eq!(world.calls.load(Ordering::SeqCst), 3);
    let failures =
        history(&hub, run.id()).await.iter().filter(|e| matches!(e.kind, EventKind::TaskFailed { .. })).count();
    assert_eq!(failures, 1);
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn retried(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(fragile, 1).retry(RetryPolicy::fixed(3, Duration::from_millis(1))).await
}

/// Trap 14: of a retried call the last attempt is made again.
#[tokio::test]
async fn a_retried_call_is_made_once_more() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(retried, ()).await.unwrap();
    run.wait().await.unwrap();
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 1);
    assert_eq!(world.calls.load(Ordering::SeqCst), 4);
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext, depth: u64) -> Result<u64, OrchestratorError> {
    if depth == 0 {
        return ctx.call_sub_orchestrator(child, ()).id("leaf").await;
    }
    ctx.call_sub_orchestrator("parent", depth - 1).id(format!("level-{depth}")).await
}

#[orchestrator]
async fn child(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(fragile, 7).await
}

/// Trap 14: the failure of a grandchild.
#[tokio::test]
async fn a_failure_far_below_is_taken_back_where_it_happened() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(parent, 2).await.unwrap();
    let error = run.output().await.unwrap_err();
    assert!(format!("{error:#}").contains("7 is broken"), "{error:#}");
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 7);
    assert_eq!(world.calls.load(Ordering::SeqCst), 2);
    hub.shutdown().await.unwrap();
}

/// Trap 14: a child that was purged is started again.
#[tokio::test]
async fn a_purged_child_is_started_again() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(parent, 0).await.unwrap();
    run.wait().await.unwrap();
    assert_eq!(hub.client().purge(&InstanceId::new("leaf").unwrap()).await.unwrap(), 1);
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 7);
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn races(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let event = ctx.wait_for_external_event::<u64>("Go");
    let slow = ctx.create_timer(Duration::from_secs(3600));
    let n = ctx.call_activity(fragile, 5).await?;
    let event = event.await?;
    drop(slow);
    Ok(n + event)
}

#[tokio::test]
async fn timers_waits_and_events_are_there_again() {
    let world = World::default();
    let hub = hub(&world).await;
    let run = hub.client().start(races, ()).await.unwrap();
    run.wait().await.unwrap();
    world.repaired.store(true, Ordering::SeqCst);
    hub.client().rewind(run.id(), "repaired").await.unwrap();
    run.raise_event("Go", &10).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 15);
    hub.shutdown().await.unwrap();
}

#[orchestrator(name = "changing")]
async fn before(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(solid, 1).await?;
    ctx.call_activity(fragile, 2).await
}

#[orchestrator(name = "changing")]
async fn after(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(solid, 100).await?;
    ctx.call_activity(fragile, 2).await
}

/// The dry run finds that the code has changed, and nothing is written.
#[tokio::test]
async fn a_rewind_that_would_not_replay_is_refused() {
    let world = World::default();
    let store = Memory::new();
    let hub = |builder: durable_core::hub::TaskHubBuilder| {
        builder.backend(store.clone()).activity(fragile).activity(solid).state(world.clone()).start()
    };
    let first = hub(TaskHub::builder().orchestrator(before)).await.unwrap();
    let run = first.client().start(before, ()).id("x").await.unwrap();
    run.wait().await.unwrap();
    first.shutdown().await.unwrap();
    let second = hub(TaskHub::builder().orchestrator(after)).await.unwrap();
    let id = InstanceId::new("x").unwrap();
    let history_before = history(&second, &id).await;
    let error = second.client().rewind(&id, "no").await.unwrap_err();
    assert!(error.is_cannot_rewind(), "{error:?}");
    assert!(error.to_string().contains("activity 'solid' with input 100"), "{error}");
    assert_eq!(history(&second, &id).await, history_before);
    assert_eq!(second.client().status(&id).await.unwrap().unwrap().runtime_status, RuntimeStatus::Failed);
    second.shutdown().await.unwrap();
}

#[tokio::test]
async fn only_a_failed_instance_is_rewound() {
    let world = World::default();
    world.repaired.store(true, Ordering::SeqCst);
    let hub = hub(&world).await;
    let run = hub.client().start(chain, ()).id("fine").await.unwrap();
    run.wait().await.unwrap();
    let error = hub.client().rewind(run.id(), "why not").await.unwrap_err();
    assert!(error.is_wrong_state(), "{error:?}");
    let missing = InstanceId::new("nobody").unwrap();
    let error = hub.client().rewind(&missing, "").await.unwrap_err();
    assert_eq!(*error.kind(), ClientErrorKind::NotFound { id: missing });
    hub.shutdown().await.unwrap();
}

#[orchestrator]
async fn panics(ctx: OrchestrationContext, broken: bool) -> Result<u64, OrchestratorError> {
    let n = ctx.call_activity(solid, 1).await?;
    assert!(!broken || !BROKEN.load(Ordering::SeqCst), "a bug");
    Ok(n)
}

static BROKEN: AtomicBool = AtomicBool::new(true);

/// The code itself was wrong: after the fix its last turn runs again.
#[tokio::test]
async fn a_mistake_of_the_code_is_taken_back_too() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(panics).activity(solid).start().await.unwrap();
    let run = hub.client().start(panics, true).await.unwrap();
    assert!(run.output().await.unwrap_err().is_panic());
    BROKEN.store(false, Ordering::SeqCst);
    hub.client().rewind(run.id(), "fixed").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 1);
    hub.shutdown().await.unwrap();
}

/// A call that is poison can be given another chance.
#[test]
fn a_poisonous_call_is_made_again() {
    static DEADLY: AtomicBool = AtomicBool::new(true);
    let (store, gate) = (Memory::new(), support::Gate::new());
    let hub = || {
        let gate = Arc::clone(&gate);
        let work = move |(): ()| {
            let gate = Arc::clone(&gate);
            async move {
                if DEADLY.load(Ordering::SeqCst) {
                    gate.pass("deadly").await;
                }
                Ok::<_, ActivityError>(9_u64)
            }
        };
        TaskHub::builder()
            .backend(store.clone())
            .orchestrator(calls_deadly)
            .activity_fn("deadly", work)
            .max_deliveries(2)
    };
    let id = InstanceId::new("p").unwrap();
    for start in 0..2 {
        let process = support::Process::start(hub());
        process.run(async {
            if start == 0 {
                process.hub.client().start(calls_deadly, ()).id("p").await.unwrap();
            }
            gate.arrival().await;
        });
        process.crash();
    }
    let process = support::Process::start(hub());
    process.run(async {
        let run = process.hub.client().instance::<u64, _>("p").unwrap();
        assert!(run.output().await.unwrap_err().details().is_caused_by("Poison"));
        DEADLY.store(false, Ordering::SeqCst);
        process.hub.client().rewind(&id, "repaired").await.unwrap();
        assert_eq!(run.output().await.unwrap(), 9);
    });
    process.stop();
}

#[orchestrator]
async fn calls_deadly(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity("deadly", ()).await
}
