//! Rule 0: at least once for activities, exactly once for everything inside the store.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::world::{WorldBuilder, on_every_store};
use durable_testing::{World, assert_history};

const MINUTE: Duration = Duration::from_secs(60);

/// A log that outlives crashes.
type Log = Arc<Mutex<Vec<String>>>;

#[activity]
async fn step(ctx: ActivityContext, State(log): State<Log>, i: u32) -> String {
    let key = ctx.idempotency_key();
    log.lock().unwrap().push(format!("{i} {} {key}", ctx.delivery()));
    tokio::time::sleep(MINUTE).await;
    key
}

#[orchestrator]
async fn chain(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let mut keys = Vec::new();
    for i in 0..3_u32 {
        keys.push(ctx.call_activity(step, i).await?);
    }
    Ok(keys)
}

fn begin(world: WorldBuilder) -> (World, Log) {
    let log = Log::default();
    (world.orchestrator(chain).activity(step).state(Arc::clone(&log)).build(), log)
}

/// An activity that a crash interrupted runs again under the same key; those that were consumed do not.
#[test]
fn an_interrupted_activity_runs_again_with_the_same_key() {
    on_every_store(|world| {
        let (world, log) = begin(world);
        let run = world.start_as("c", chain, ());
        world.advance(MINUTE + MINUTE / 2);
        world.crash();
        let keys = run.output();
        let expected = [(0, 1), (1, 1), (1, 2), (2, 1)].map(|(i, delivery)| format!("{i} {delivery} {}", keys[i]));
        assert_eq!(*log.lock().unwrap(), expected);
        assert_eq!(world.elapsed(), 3 * MINUTE + MINUTE / 2);
        assert_history!(
            run,
            [
                ExecutionStarted("chain"),
                TaskScheduled("step", 0),
                TaskCompleted("step", &keys[0]),
                TaskScheduled("step", 1),
                TaskCompleted("step", &keys[1]),
                TaskScheduled("step", 2),
                TaskCompleted("step", &keys[2]),
                ExecutionCompleted("Completed", &keys)
            ]
        );
    });
}

/// A drained process hands everything over: what ran to its end is not run again, and nothing counts as a crash.
#[test]
fn a_drain_loses_no_result() {
    on_every_store(|world| {
        let (world, log) = begin(world);
        let run = world.start_as("c", chain, ());
        world.advance(MINUTE - Duration::from_secs(5));
        // There are no more turns, so the result finds nobody who consumes it.
        world.restart();
        assert_eq!(world.elapsed(), MINUTE, "it was waited for");
        let keys = run.output();
        let expected = [0, 1, 2].map(|i| format!("{i} 1 {}", keys[i]));
        assert_eq!(*log.lock().unwrap(), expected);
        assert_eq!(world.elapsed(), 3 * MINUTE);
    });
}

/// Trap 11: the late result of an instance that was ended and whose id was given to another.
#[test]
fn a_late_result_does_not_reach_another_instance_of_the_same_id() {
    on_every_store(|world| {
        let (world, _log) = begin(world);
        let old = world.start_as("c", chain, ());
        world.advance(MINUTE / 2);
        old.terminate("enough");
        assert_eq!(old.runtime_status(), RuntimeStatus::Terminated);

        let new = world.start_as("c", chain, ());
        let execution = new.status().execution_id;
        let keys = new.output();
        assert!(keys.iter().all(|key| key.contains(execution.as_str())), "{keys:?}");
        assert_eq!(world.elapsed(), MINUTE / 2 + 3 * MINUTE);
    });
}
