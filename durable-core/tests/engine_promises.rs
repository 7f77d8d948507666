//! Rule 0: at least once for activities, exactly once for everything inside the store.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use support::{Gate, Log, Process, history, names};

#[orchestrator]
async fn chain(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let mut keys = Vec::new();
    for i in 0..3_u32 {
        keys.push(ctx.call_activity("step", i).await?);
    }
    Ok(keys)
}

fn hub(store: &Memory, gate: &Arc<Gate>, log: &Log) -> TaskHubBuilder {
    let (gate, log) = (Arc::clone(gate), Arc::clone(log));
    let step = move |ctx: ActivityContext, i: u32| {
        let (gate, log) = (Arc::clone(&gate), Arc::clone(&log));
        async move {
            log.lock().unwrap().push(format!("{i} {} {}", ctx.delivery(), ctx.idempotency_key()));
            gate.pass(i).await;
            Ok::<_, ActivityError>(ctx.idempotency_key())
        }
    };
    TaskHub::builder().backend(store.clone()).orchestrator(chain).activity_fn("step", step)
}

/// An activity that a crash interrupted runs again under the same key; those that were consumed do not.
#[test]
fn an_interrupted_activity_runs_again_with_the_same_key() {
    let (store, gate, log) = (Memory::new(), Gate::new(), Log::default());
    let first = Process::start(hub(&store, &gate, &log));
    first.run(async {
        first.hub.client().start(chain, ()).id("c").await.unwrap();
        assert_eq!(gate.arrival().await, "0");
        gate.let_through(1);
        assert_eq!(gate.arrival().await, "1");
    });
    first.crash();

    let second = Process::start(hub(&store, &gate, &log));
    gate.let_through(10);
    let keys = second.run(async {
        let run = second.hub.client().instance::<Vec<String>, _>("c").unwrap();
        let keys = run.output().await.unwrap();
        assert_eq!(
            names(&history(&second.hub, run.id()).await),
            [
                "ExecutionStarted",
                "TaskScheduled",
                "TaskCompleted",
                "TaskScheduled",
                "TaskCompleted",
                "TaskScheduled",
                "TaskCompleted",
                "ExecutionCompleted"
            ]
        );
        keys
    });
    second.stop();
    let runs = log.lock().unwrap().clone();
    let expected = [(0, 1), (1, 1), (1, 2), (2, 1)].map(|(i, delivery)| format!("{i} {delivery} {}", keys[i]));
    assert_eq!(runs, expected);
}

/// A drained process hands everything over: what ran to its end is not run again, and nothing counts as a crash.
#[test]
fn a_drain_loses_no_result() {
    let (store, gate, log) = (Memory::new(), Gate::new(), Log::default());
    let first = Process::start(hub(&store, &gate, &log));
    first.run(async {
        first.hub.client().start(chain, ()).id("c").await.unwrap();
        gate.arrival().await;
        let mut drained = std::pin::pin!(first.hub.shutdown());
        // From its first poll on there are no more turns, so the result finds nobody who consumes it.
        assert!(futures_util::poll!(drained.as_mut()).is_pending());
        gate.let_through(1);
        drained.await.unwrap();
    });
    assert_eq!(log.lock().unwrap().len(), 1);

    let second = Process::start(hub(&store, &gate, &log));
    gate.let_through(10);
    second.run(async {
        second.hub.client().instance::<Vec<String>, _>("c").unwrap().output().await.unwrap();
    });
    second.stop();
    let runs = log.lock().unwrap().clone();
    assert!(runs.iter().all(|run| run.contains(" 1 ")), "{runs:?}");
    assert_eq!(runs.len(), 3, "{runs:?}");
}

/// Trap 11: the late result of an instance that was ended and whose id was given to another.
#[tokio::test]
async fn a_late_result_does_not_reach_another_instance_of_the_same_id() {
    let (store, gate, log) = (Memory::new(), Gate::new(), Log::default());
    let hub = hub(&store, &gate, &log).start().await.unwrap();
    let old = hub.client().start(chain, ()).id("c").await.unwrap();
    gate.arrival().await;
    old.terminate("enough").await.unwrap();
    assert_eq!(old.wait().await.unwrap().runtime_status, RuntimeStatus::Terminated);

    let new = hub.client().start(chain, ()).id("c").await.unwrap();
    gate.let_through(10);
    let keys = new.output().await.unwrap();
    let execution = new.status().await.unwrap().execution_id;
    assert!(keys.iter().all(|key| key.contains(execution.as_str())), "{keys:?}");
    hub.shutdown().await.unwrap();
}
