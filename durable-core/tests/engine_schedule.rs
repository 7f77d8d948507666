//! Instances that start later, in a world that lives and dies.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::backend::{Backend, WorkerId};
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Instance, WorldBuilder, chaos, on_every_store};
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_secs(60);

#[orchestrator]
async fn adds(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let a: u64 = ctx.wait_for_external_event("n").await?;
    Ok(a + ctx.wait_for_external_event::<u64>("n").await?)
}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[orchestrator]
async fn counted(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    RUNS.fetch_add(1, Ordering::SeqCst);
    Ok(())
}

fn begin(world: WorldBuilder) -> World {
    world.orchestrator(adds).orchestrator(counted).hub(|hub| hub.warm_instances(1)).without_leak_checks().build()
}

/// Starts in a minute.
fn scheduled(world: &World, id: &str, name: &str) -> Instance<u64> {
    let at = world.now().saturating_add(MINUTE);
    let _ = world.started(world.client().start(name, ()).id(id).start_at(at));
    world.instance(id)
}

/// It is Pending until its time, keeps its events, and survives any number of processes.
#[test]
fn a_scheduled_start_survives_its_process() {
    let story = |world: WorldBuilder| {
        let world = begin(world);
        let at = world.now().saturating_add(MINUTE);
        let run = scheduled(&world, "a", "adds");
        run.raise("n", &1);
        assert_eq!(run.runtime_status(), RuntimeStatus::Pending);
        world.crash();
        world.advance(MINUTE / 2);
        world.crash();
        run.raise("n", &2);
        world.advance(MINUTE / 3);
        let status = run.status();
        assert_eq!((status.runtime_status, status.scheduled_start), (RuntimeStatus::Pending, Some(at)));
        let output = run.output();
        assert_eq!(run.history()[0].timestamp.max(at), run.history()[0].timestamp, "it did not begin too early");
        // A time that has passed is now.
        world.crash();
        let late = world.started(world.client().start(adds, ()).id("late").start_at(at));
        assert_eq!(late.runtime_status(), RuntimeStatus::Running);
        output
    };
    assert_eq!(on_every_store(story), 3);
    chaos::every_crash_point(story);
}

/// Its time comes while no process lives.
#[test]
fn a_start_that_was_missed_happens_at_the_next_chance() {
    on_every_store(|world| {
        let world = begin(world);
        let run = scheduled(&world, "a", "adds");
        world.faults().fail_from(world.faults().commits() + 1);
        world.advance(2 * MINUTE);
        assert_eq!(run.runtime_status(), RuntimeStatus::Pending, "its process cannot do anything");
        world.faults().heal();
        world.crash();
        assert_eq!(run.runtime_status(), RuntimeStatus::Running);
        assert_eq!(world.elapsed(), 2 * MINUTE);
    });
}

#[test]
fn a_termination_before_the_start_runs_no_code() {
    let store = Memory::new();
    let opened = store.clone();
    let world = begin(World::builder().backend(move || opened.clone()));
    let before = RUNS.load(Ordering::SeqCst);
    let run = scheduled(&world, "c", "counted");
    run.raise("n", &1);
    run.terminate("not needed");
    let status = run.status();
    assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
    assert_eq!(status.termination_reason.as_deref(), Some("not needed"));
    world.advance(2 * MINUTE);
    assert_eq!(RUNS.load(Ordering::SeqCst), before);
    durable_testing::assert_history!(run, [.., ExecutionCompleted("Terminated")]);
    assert!(store.timers(WorkerId(1), None, 10).now_or_never().unwrap().unwrap().is_empty());
}

/// A pause before the start begins with it.
#[test]
fn a_scheduled_instance_can_be_paused() {
    on_every_store(|world| {
        let world = begin(world);
        let run = scheduled(&world, "a", "adds");
        run.suspend("pause");
        run.raise("n", &1);
        assert_eq!(run.runtime_status(), RuntimeStatus::Pending);
        world.advance(2 * MINUTE);
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.raise("n", &2);
        assert!(!run.is_finished());
        run.resume("go on");
        assert_eq!(run.output(), 3);
    });
}
