//! Instances that start later, in a hub that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::backend::{Backend, WorkerId};
use durable_core::engine::Clock;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use support::{Process, history, names};

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

fn hub(store: &Arc<dyn Backend>, clock: &VirtualClock) -> TaskHubBuilder {
    let hub = TaskHub::builder().backend(Arc::clone(store)).clock(clock.clone()).warm_instances(1);
    hub.orchestrator(adds).orchestrator(counted)
}

/// It is Pending until its time, keeps its events, and survives any number of processes.
#[test]
fn a_scheduled_start_survives_its_process() {
    let dir = tempfile::tempdir().unwrap();
    let stores: [Arc<dyn Backend>; 2] =
        [Arc::new(Memory::new()), Arc::new(Sqlite::open(dir.path().join("hub.db")).unwrap())];
    for store in stores {
        let clock = VirtualClock::new();
        let at = clock.now().saturating_add(MINUTE);
        let process = Process::start(hub(&store, &clock));
        process.run(async {
            let run = process.hub.client().start(adds, ()).id("a").start_at(at).await.unwrap();
            run.raise_event("n", &1).await.unwrap();
            assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Pending);
        });
        process.crash();
        clock.advance(MINUTE / 2);
        let process = Process::start(hub(&store, &clock));
        process.run(async {
            let run = process.hub.client().instance::<u64, _>("a").unwrap();
            run.raise_event("n", &2).await.unwrap();
            // A write that is answered after the one before has been acted on.
            let other = process.hub.client().start(adds, ()).await.unwrap();
            other.wait_for_start().await.unwrap();
            let status = run.status().await.unwrap();
            assert_eq!((status.runtime_status, status.scheduled_start), (RuntimeStatus::Pending, Some(at)));
            clock.advance(MINUTE);
            assert_eq!(run.output().await.unwrap(), 3);
        });
        process.crash();
        let process = Process::start(hub(&store, &clock));
        process.run(async {
            let again = process.hub.client().start(adds, ()).id("late").start_at(at).await.unwrap();
            again.wait_for_start().await.unwrap();
        });
        process.stop();
    }
}

/// Its time comes while no process lives.
#[test]
fn a_start_that_was_missed_happens_at_the_next_chance() {
    let store: Arc<dyn Backend> = Arc::new(Memory::new());
    let clock = VirtualClock::new();
    let at = clock.now().saturating_add(MINUTE);
    let process = Process::start(hub(&store, &clock));
    process.run(async { process.hub.client().start(adds, ()).id("a").start_at(at).await.unwrap() });
    process.crash();
    clock.advance(2 * MINUTE);
    let process = Process::start(hub(&store, &clock));
    process.run(async {
        let run = process.hub.client().instance::<u64, _>("a").unwrap();
        assert_eq!(run.wait_for_start().await.unwrap().runtime_status, RuntimeStatus::Running);
    });
    process.stop();
}

#[tokio::test]
async fn a_termination_before_the_start_runs_no_code() {
    let (store, clock): (Arc<dyn Backend>, _) = (Arc::new(Memory::new()), VirtualClock::new());
    let hub = hub(&store, &clock).start().await.unwrap();
    let at = clock.now().saturating_add(MINUTE);
    let run = hub.client().start(counted, ()).id("c").start_at(at).await.unwrap();
    let before = RUNS.load(Ordering::SeqCst);
    run.raise_event("n", &1).await.unwrap();
    run.terminate("not needed").await.unwrap();
    let status = run.wait().await.unwrap();
    assert_eq!(status.runtime_status, RuntimeStatus::Terminated);
    assert_eq!(status.termination_reason.as_deref(), Some("not needed"));
    clock.advance(2 * MINUTE);
    let other = hub.client().start(adds, ()).await.unwrap();
    other.raise_event("n", &1).await.unwrap();
    other.raise_event("n", &1).await.unwrap();
    other.output().await.unwrap();
    assert_eq!(RUNS.load(Ordering::SeqCst), before);
    assert_eq!(names(&history(&hub, run.id()).await).last(), Some(&"ExecutionCompleted"));
    assert!(store.timers(WorkerId(1), None, 10).await.unwrap().is_empty());
}

/// A pause before the start begins with it.
#[tokio::test]
async fn a_scheduled_instance_can_be_paused() {
    let (store, clock): (Arc<dyn Backend>, _) = (Arc::new(Memory::new()), VirtualClock::new());
    let hub = hub(&store, &clock).start().await.unwrap();
    let at = clock.now().saturating_add(MINUTE);
    let run = hub.client().start(adds, ()).id("a").start_at(at).await.unwrap();
    run.suspend("pause").await.unwrap();
    run.raise_event("n", &1).await.unwrap();
    assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Pending);
    clock.advance(2 * MINUTE);
    assert_eq!(run.wait_for_start().await.unwrap().runtime_status, RuntimeStatus::Suspended);
    run.raise_event("n", &2).await.unwrap();
    run.resume("go on").await.unwrap();
    assert_eq!(run.output().await.unwrap(), 3);
}
