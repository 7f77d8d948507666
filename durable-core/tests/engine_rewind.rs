//! Failures that are taken back.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use durable_core::client::{ClientError, ClientErrorKind};
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::world::{Instance, WorldBuilder, chaos, on_every_store};
use durable_testing::{World, assert_history};
use futures_util::FutureExt;

/// Something outside that fails until it is repaired, and counts what is asked of it.
#[derive(Clone, Default)]
struct Outside {
    repaired: Arc<AtomicBool>,
    calls: Arc<AtomicU32>,
}

impl Outside {
    fn repair(&self) {
        self.repaired.store(true, Ordering::SeqCst);
    }

    fn calls(&self) -> u32 {
        self.calls.load(Ordering::SeqCst)
    }
}

#[activity]
async fn fragile(State(outside): State<Outside>, n: u64) -> Result<u64, ActivityError> {
    outside.calls.fetch_add(1, Ordering::SeqCst);
    if outside.repaired.load(Ordering::SeqCst) { Ok(n) } else { Err(ActivityError::msg(format!("{n} is broken"))) }
}

#[activity]
async fn solid(n: u64) -> u64 {
    n
}

fn begin(world: WorldBuilder) -> (World, Outside) {
    let outside = Outside::default();
    let world = world.orchestrator(chain).orchestrator(all).orchestrator(saga).orchestrator(retried);
    let world = world.orchestrator(parent).orchestrator(child).orchestrator(races);
    (world.activity(fragile).activity(solid).state(outside.clone()).build(), outside)
}

/// Waits for the failure, repairs what is outside, and takes the failure back.
fn repair<O>(run: &Instance<O>, outside: &Outside) {
    assert_eq!(run.run_until_complete().unwrap().runtime_status, RuntimeStatus::Failed);
    outside.repair();
    run.rewind("repaired");
}

/// A rewind that may fail.
fn rewind(world: &World, id: &InstanceId) -> Result<(), ClientError> {
    world.client().rewind(id, "").now_or_never().unwrap()
}

#[orchestrator]
async fn chain(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let one = ctx.call_activity(solid, 1).await?;
    let two = ctx.call_activity(fragile, 2).await?;
    Ok(one + two + ctx.call_activity(solid, 3).await?)
}

#[test]
fn a_failed_call_is_made_again_and_nothing_else() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(chain, ());
        repair(&run, &outside);
        assert_eq!(run.output(), 6);
        assert_eq!(outside.calls(), 2);
        assert_history!(
            run,
            [
                ExecutionStarted,
                TaskScheduled("solid", 1),
                TaskCompleted("solid", 1),
                TaskScheduled("fragile", 2),
                ExecutionRewound("repaired"),
                TaskCompleted("fragile", 2),
                TaskScheduled("solid", 3),
                TaskCompleted("solid", 3),
                ExecutionCompleted("Completed", 6),
            ]
        );
    });
}

/// A rewind is one write, and a crash before or after it changes nothing.
#[test]
fn a_rewind_comes_through_whatever_happens() {
    let story = |world: WorldBuilder| {
        let (world, outside) = begin(world);
        let run = world.start(parent, 1);
        repair(&run, &outside);
        run.output()
    };
    chaos::every_crash_point(story);
}

#[test]
fn a_rewind_that_meets_the_same_failure_can_be_repeated() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(chain, ());
        for _ in 0..3 {
            assert_eq!(run.runtime_status(), RuntimeStatus::Failed);
            run.rewind("try");
        }
        assert_eq!(run.runtime_status(), RuntimeStatus::Failed);
        assert_eq!(outside.calls(), 4);
    });
}

#[orchestrator]
async fn all(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let calls = (0..4).map(|n| if n % 2 == 0 { ctx.call_activity(solid, n) } else { ctx.call_activity(fragile, n) });
    Ok(when_all(calls).await?.into_iter().sum())
}

#[test]
fn every_failure_that_was_kept_until_the_end_is_taken_back() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(all, ());
        repair(&run, &outside);
        assert_eq!(run.output(), 6);
        assert_eq!(outside.calls(), 4);
    });
}

#[orchestrator]
async fn saga(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let caught = ctx.call_activity(fragile, 1).await.is_err();
    ctx.call_activity(solid, u64::from(caught)).await?;
    ctx.call_activity(fragile, 2).await
}

/// Trap 14: what the code has dealt with stays dealt with.
#[test]
fn a_caught_failure_stays() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(saga, ());
        repair(&run, &outside);
        assert_eq!(run.output(), 2);
        assert_eq!(outside.calls(), 3);
        assert_eq!(run.history().iter().filter(|event| event.kind.name() == "TaskFailed").count(), 1);
    });
}

#[orchestrator]
async fn retried(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(fragile, 1).retry(RetryPolicy::fixed(3, Duration::from_millis(1))).await
}

/// Trap 14: of a retried call the last attempt is made again.
#[test]
fn a_retried_call_is_made_once_more() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(retried, ());
        repair(&run, &outside);
        assert_eq!(run.output(), 1);
        assert_eq!(outside.calls(), 4);
    });
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
#[test]
fn a_failure_far_below_is_taken_back_where_it_happened() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(parent, 2);
        assert!(format!("{:#}", run.failure()).contains("7 is broken"), "{:#}", run.failure());
        repair(&run, &outside);
        assert_eq!(run.output(), 7);
        assert_eq!(outside.calls(), 2);
    });
}

/// Trap 14: a child that was purged is started again.
#[test]
fn a_purged_child_is_started_again() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(parent, 0);
        let purged = world.client().purge(world.instance::<()>("leaf").id()).into_future().now_or_never();
        assert_eq!(purged.unwrap().unwrap(), 1);
        repair(&run, &outside);
        assert_eq!(run.output(), 7);
    });
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

#[test]
fn timers_waits_and_events_are_there_again() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        let run = world.start(races, ());
        repair(&run, &outside);
        run.raise("Go", &10);
        assert_eq!(run.output(), 15);
    });
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
#[test]
fn a_rewind_that_would_not_replay_is_refused() {
    on_every_store(|world| {
        let is_changed = Arc::new(AtomicBool::new(false));
        let changed = Arc::clone(&is_changed);
        let deploy = move |hub: TaskHubBuilder| match changed.load(Ordering::SeqCst) {
            false => hub.orchestrator(before),
            true => hub.orchestrator(after),
        };
        let world = world.hub(deploy).activity(fragile).activity(solid).state(Outside::default()).build();
        let run = world.start(before, ());
        is_changed.store(true, Ordering::SeqCst);
        world.restart();
        let (history, commits) = (run.history(), world.faults().commits());
        let error = rewind(&world, run.id()).unwrap_err();
        assert!(error.is_cannot_rewind(), "{error:?}");
        assert!(error.to_string().contains("activity 'solid' with input 100"), "{error}");
        assert_eq!((run.history(), world.faults().commits()), (history, commits));
        assert_eq!(run.runtime_status(), RuntimeStatus::Failed);
    });
}

#[test]
fn only_a_failed_instance_is_rewound() {
    on_every_store(|world| {
        let (world, outside) = begin(world);
        outside.repair();
        let run = world.start(chain, ());
        assert_eq!(run.output(), 6);
        let error = rewind(&world, run.id()).unwrap_err();
        assert!(error.is_wrong_state(), "{error:?}");
        let missing = InstanceId::new("nobody").unwrap();
        let error = rewind(&world, &missing).unwrap_err();
        assert_eq!(*error.kind(), ClientErrorKind::NotFound { id: missing });
    });
}

#[orchestrator]
async fn panics(ctx: OrchestrationContext, broken: bool) -> Result<u64, OrchestratorError> {
    let n = ctx.call_activity(solid, 1).await?;
    assert!(!broken || !BROKEN.load(Ordering::SeqCst), "a bug");
    Ok(n)
}

static BROKEN: AtomicBool = AtomicBool::new(true);

/// The code itself was wrong: after the fix its last turn runs again.
#[test]
fn a_mistake_of_the_code_is_taken_back_too() {
    let world = World::builder().orchestrator(panics).activity(solid).build();
    let run = world.start(panics, true);
    assert!(run.failure().is_caused_by("Panic"), "{:?}", run.failure());
    BROKEN.store(false, Ordering::SeqCst);
    run.rewind("fixed");
    assert_eq!(run.output(), 1);
}

/// A call that is poison can be given another chance.
#[test]
fn a_poisonous_call_is_made_again() {
    on_every_store(|world| {
        let world = world.orchestrator(calls_deadly).hub(|hub| hub.max_deliveries(2)).build();
        let deadly = world.mock_named("deadly");
        deadly.crashes();
        let run = world.start(calls_deadly, ());
        assert!(run.failure().is_caused_by("Poison"));
        deadly.assert_called(2);
        deadly.returns(9.into());
        run.rewind("repaired");
        assert_eq!(run.output(), 9);
        deadly.assert_called(3);
    });
}

#[orchestrator]
async fn calls_deadly(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity("deadly", ()).await
}
