//! Orchestrations that start over, in a hub that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/everywhere.rs"]
mod everywhere;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use everywhere::{Scenario, Step};
use support::{Gate, Process, history, names};

fn memory() -> TaskHubBuilder {
    TaskHub::builder().backend(Memory::new()).warm_instances(1)
}

async fn until_generation(client: &Client, id: &InstanceId, generation: u32) {
    while client.status(id).await.unwrap().unwrap().generation != generation {
        tokio::task::yield_now().await;
    }
}

#[activity]
async fn add_one(n: u64) -> u64 {
    n + 1
}

#[tokio::test]
async fn a_hundred_generations_leave_one_history() {
    #[orchestrator]
    async fn counts(ctx: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        assert_eq!(u64::from(ctx.generation()), n);
        let n = ctx.call_activity(add_one, n).await?;
        if n == 50 {
            ctx.wait_for_external_event::<()>("half").await?;
        }
        Ok(if n == 100 { Next::Complete(n.to_string()) } else { Next::continue_as_new(n) })
    }
    let hub = memory().orchestrator(counts).activity(add_one).start().await.unwrap();
    let client = hub.client();
    let run = client.start(counts, 0).id("c").await.unwrap();
    let first = run.status().await.unwrap().execution_id;
    until_generation(&client, run.id(), 49).await;
    let half = run.status().await.unwrap();
    assert_eq!((half.runtime_status, half.output), (RuntimeStatus::Running, None));
    assert_ne!(half.execution_id, first);
    run.raise_event("half", &()).await.unwrap();
    assert_eq!(run.output().await.unwrap(), "100");
    assert_eq!(run.status().await.unwrap().generation, 99);
    assert_eq!(
        names(&history(&hub, run.id()).await),
        ["ExecutionStarted", "TaskScheduled", "TaskCompleted", "ExecutionCompleted"]
    );
}

/// Takes one item in each generation, and one of another name at its end.
#[orchestrator]
async fn collects(ctx: OrchestrationContext, seen: Vec<u64>) -> Result<Next<Vec<u64>, Vec<u64>>, OrchestratorError> {
    let mut seen = seen;
    if ctx.generation() == 0 {
        for n in 0..4 {
            ctx.send_event(ctx.instance_id(), "item", &n)?;
        }
        ctx.send_event(ctx.instance_id(), "tail", &99)?;
    }
    seen.push(ctx.wait_for_external_event("item").await?);
    if seen.len() == 8 {
        seen.push(ctx.wait_for_external_event("tail").await?);
        return Ok(Next::Complete(seen));
    }
    Ok(Next::continue_as_new(seen))
}

/// No event is lost, none comes twice, and their order stays.
#[test]
fn unread_events_come_through_whatever_happens() {
    let scenario = Scenario {
        hub: |hub| hub.orchestrator(collects),
        root: "collects",
        input: serde_json::json!([]),
        steps: &[
            Step::Until("root", RuntimeStatus::Running),
            Step::Event("root", "item", 4),
            Step::Event("root", "item", 5),
            Step::Event("root", "item", 6),
            Step::Event("root", "item", 7),
        ],
    };
    scenario.always_gives(&serde_json::json!([0, 1, 2, 3, 4, 5, 6, 7, 99]));
}

#[tokio::test]
async fn unread_events_can_be_left_behind() {
    #[orchestrator]
    async fn discards(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        if round == 0 {
            return Ok(ContinueAsNew::new(1).discard_unread_events().into());
        }
        Ok(Next::Complete(ctx.wait_for_external_event("other").await?))
    }
    let hub = memory().orchestrator(discards).start().await.unwrap();
    let run = hub.client().start(discards, 0).await.unwrap();
    run.raise_event("other", &1).await.unwrap();
    run.raise_event("go", &()).await.unwrap();
    until_generation(&hub.client(), run.id(), 1).await;
    run.raise_event("other", &2).await.unwrap();
    run.raise_event("go", &()).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 2);
}

#[test]
fn the_next_execution_may_have_other_code() {
    #[orchestrator(name = "evolves", version = "1.0")]
    async fn evolves_1(ctx: OrchestrationContext, n: u64) -> Result<Next<String, u64>, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(ContinueAsNew::new(n + 1).version("2.0")?.into())
    }
    #[orchestrator(name = "evolves", version = "2.0")]
    async fn evolves_2(ctx: OrchestrationContext, n: u64) -> Result<String, OrchestratorError> {
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(format!("{n} in {:?}", ctx.version().map(ToString::to_string)))
    }
    let store = Memory::new();
    let hub = || TaskHub::builder().backend(store.clone()).orchestrator(evolves_1).orchestrator(evolves_2);
    let process = Process::start(hub());
    process.run(async {
        let run = process.hub.client().start(evolves_1, 1).id("e").version("1.0").await.unwrap();
        run.raise_event("go", &()).await.unwrap();
        until_generation(&process.hub.client(), run.id(), 1).await;
    });
    process.crash();
    let process = Process::start(hub());
    process.run(async {
        let run = process.hub.client().instance::<String, _>("e").unwrap();
        run.raise_event("go", &()).await.unwrap();
        assert_eq!(run.output().await.unwrap(), "2 in Some(\"2.0\")");
        assert_eq!(run.status().await.unwrap().version.unwrap().as_str(), "2.0");
    });
    process.stop();
}

/// The result of a child of an earlier execution is none of a later one's, and their ids differ.
#[tokio::test]
async fn a_child_of_an_earlier_execution_is_terminated() {
    #[orchestrator]
    async fn kid(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.wait_for_external_event("go").await
    }
    #[orchestrator]
    async fn parent(ctx: OrchestrationContext, old: Vec<String>) -> Result<Next<u64, Vec<String>>, OrchestratorError> {
        let call = ctx.call_sub_orchestrator(kid, ());
        let id = call.instance_id().unwrap().to_string();
        ctx.set_custom_status(&id)?;
        if old.is_empty() {
            ctx.wait_for_external_event::<()>("next").await?;
            return Ok(Next::continue_as_new(vec![id]));
        }
        assert_ne!(old, [id]);
        Ok(Next::Complete(call.await?))
    }
    let hub = memory().orchestrator(kid).orchestrator(parent).start().await.unwrap();
    let client = hub.client();
    let run = client.start(parent, vec![]).await.unwrap();
    run.wait_for_start().await.unwrap();
    let child = |status: durable_core::client::InstanceStatus| {
        InstanceId::new(status.custom_status.unwrap().decode::<String>().unwrap()).unwrap()
    };
    let old = child(run.status().await.unwrap());
    run.raise_event("next", &()).await.unwrap();
    let ended = client.instance::<u64, _>(old.clone()).unwrap().wait().await.unwrap();
    assert_eq!(ended.runtime_status, RuntimeStatus::Terminated);
    let new = loop {
        let new = child(run.status().await.unwrap());
        if new != old && client.status(&new).await.unwrap().is_some() {
            break new;
        }
        tokio::task::yield_now().await;
    };
    client.raise_event(&new, "go", &6_u64).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 6);
}

/// A detached call of an earlier execution goes on, and its result is none of the later one's.
#[test]
fn a_detached_call_outlives_its_execution() {
    #[orchestrator]
    async fn detaches(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        let call = ctx.call_activity::<_, &str>("gated", round);
        if round == 0 {
            call.detach();
            return Ok(Next::continue_as_new(1));
        }
        Ok(Next::Complete(call.await?))
    }
    let gate = Gate::new();
    let store = Memory::new();
    let hub = || {
        let gate = Arc::clone(&gate);
        TaskHub::builder().backend(store.clone()).warm_instances(1).orchestrator(detaches).activity_fn(
            "gated",
            move |n: u64| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.pass(n).await;
                    Ok::<_, ActivityError>(n)
                }
            },
        )
    };
    let process = Process::start(hub());
    process.run(async {
        process.hub.client().start(detaches, 0).id("d").await.unwrap();
        let mut both = [gate.arrival().await, gate.arrival().await];
        both.sort();
        assert_eq!(both, ["0", "1"]);
    });
    process.crash();
    let process = Process::start(hub());
    process.run(async {
        let _both = [gate.arrival().await, gate.arrival().await];
        gate.let_through(2);
        let run = process.hub.client().instance::<u64, _>("d").unwrap();
        assert_eq!(run.output().await.unwrap(), 1);
        no_calls_are_left(&process.hub.client(), run.id()).await;
    });
    process.stop();
}

async fn no_calls_are_left(client: &Client, id: &InstanceId) {
    let empty = async {
        while !client.activities(id).await.unwrap().unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), empty).await.expect("the row of the call goes away");
}

static DONE: AtomicBool = AtomicBool::new(false);

/// The result of a detached call comes while the turn runs that ends its execution: its row goes away nevertheless.
#[test]
fn a_result_that_comes_with_the_end_of_its_execution_leaves_nothing() {
    #[orchestrator]
    async fn hurries(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        if round == 0 {
            let call: durable_core::orchestration::ActivityCall<()> = ctx.call_activity("gated", round);
            call.detach();
            ctx.wait_for_external_event::<()>("next").await?;
            #[nondeterministic(reason = "keeps the turn open until the result has come")]
            while !DONE.load(Ordering::SeqCst) {
                std::thread::yield_now();
            }
            return Ok(Next::continue_as_new(1));
        }
        ctx.wait_for_external_event::<()>("end").await?;
        Ok(Next::Complete(round))
    }
    let gate = Gate::new();
    let passed = Arc::clone(&gate);
    let hub = memory().orchestrator(hurries).orchestrator(other_call).activity_fn("gated", move |n: u64| {
        let gate = Arc::clone(&passed);
        async move {
            gate.pass(n).await;
            Ok::<_, ActivityError>(())
        }
    });
    let process = Process::start(hub.max_concurrent_activities(1));
    process.run(async {
        let client = process.hub.client();
        let run = client.start(hurries, 0).id("h").await.unwrap();
        gate.arrival().await;
        run.raise_event("next", &()).await.unwrap();
        gate.let_through(1);
        // The next call of the only runner begins when the result of the one before has been handed over.
        let other = client.start(other_call, ()).await.unwrap();
        gate.arrival().await;
        DONE.store(true, Ordering::SeqCst);
        gate.let_through(1);
        other.output().await.unwrap();
        until_generation(&client, run.id(), 1).await;
        no_calls_are_left(&client, run.id()).await;
        run.raise_event("end", &()).await.unwrap();
        assert_eq!(run.output().await.unwrap(), 1);
    });
    process.stop();
}

#[orchestrator]
async fn other_call(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity("gated", 7_u64).await
}
