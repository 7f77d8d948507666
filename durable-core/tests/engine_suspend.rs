//! Pauses, in a hub that lives and dies.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/everywhere.rs"]
mod everywhere;
mod support;

use std::sync::Arc;
use std::time::Duration;

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use everywhere::{Scenario, Step};
use support::{Gate, Process};

async fn until(client: &Client, id: &str, status: RuntimeStatus) {
    let id = InstanceId::new(id).unwrap();
    while client.status(&id).await.unwrap().unwrap().runtime_status != status {
        tokio::task::yield_now().await;
    }
}

#[orchestrator]
async fn three(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let mut all = vec![];
    for _ in 0..3 {
        all.push(ctx.wait_for_external_event("item").await?);
    }
    Ok(all)
}

#[test]
fn what_comes_in_a_pause_is_there_after_it_whatever_happens() {
    let scenario = Scenario {
        hub: |hub| hub.orchestrator(three),
        root: "three",
        input: serde_json::Value::Null,
        steps: &[
            Step::Event("root", "item", 1),
            Step::Suspend("root"),
            Step::Until("root", RuntimeStatus::Suspended),
            Step::Event("root", "item", 2),
            Step::Suspend("root"),
            Step::Event("root", "item", 3),
            Step::Until("root", RuntimeStatus::Suspended),
            Step::Resume("root"),
        ],
    };
    scenario.always_gives(&serde_json::json!([1, 2, 3]));
}

/// Notes the order in which things happen to it.
#[orchestrator]
async fn races(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let call = ctx.call_activity::<_, &str>("gated", 1_u64);
    let timer = ctx.create_timer(Duration::from_secs(60));
    let event = ctx.wait_for_external_event::<u64>("go");
    let (result, (), event) = join!(call, timer, event);
    let (result, event): (u64, u64) = (result?, event?);
    Ok(format!("{result} {event}"))
}

fn racing(store: &Memory, gate: &Arc<Gate>, clock: &VirtualClock) -> TaskHubBuilder {
    let gate = Arc::clone(gate);
    let hub = TaskHub::builder().backend(store.clone()).warm_instances(1).clock(clock.clone());
    hub.orchestrator(races).orchestrator(three).activity_fn("gated", move |n: u64| {
        let gate = Arc::clone(&gate);
        async move {
            gate.pass(n).await;
            Ok::<_, ActivityError>(n)
        }
    })
}

/// A result, a timer and an event that come in a pause are kept, also when the process ends in it.
#[test]
fn a_pause_keeps_everything_over_a_crash() {
    for crashes in [false, true] {
        let (store, gate, clock) = (Memory::new(), Gate::new(), VirtualClock::new());
        let mut process = Process::start(racing(&store, &gate, &clock));
        process.run(async {
            let client = process.hub.client();
            let run = client.start(races, ()).id("r").await.unwrap();
            gate.arrival().await;
            run.suspend("pause").await.unwrap();
            until(&client, "r", RuntimeStatus::Suspended).await;
            gate.let_through(1);
            run.raise_event("go", &2).await.unwrap();
            clock.advance(Duration::from_secs(61));
            while !client.activities(run.id()).await.unwrap().unwrap().is_empty() {
                tokio::task::yield_now().await;
            }
            assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Suspended);
        });
        if crashes {
            process.crash();
            process = Process::start(racing(&store, &gate, &clock));
        }
        process.run(async {
            let run = process.hub.client().instance::<String, _>("r").unwrap();
            assert_eq!(run.status().await.unwrap().runtime_status, RuntimeStatus::Suspended);
            run.resume("go on").await.unwrap();
            assert_eq!(run.output().await.unwrap(), "1 2");
        });
        process.stop();
    }
}

#[tokio::test]
async fn a_paused_instance_can_be_terminated() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(three).start().await.unwrap();
    let run = hub.client().start(three, ()).id("t").await.unwrap();
    run.suspend("pause").await.unwrap();
    until(&hub.client(), "t", RuntimeStatus::Suspended).await;
    run.raise_event("item", &1).await.unwrap();
    run.terminate("enough").await.unwrap();
    let status = run.wait().await.unwrap();
    assert_eq!(
        (status.runtime_status, status.termination_reason.as_deref()),
        (RuntimeStatus::Terminated, Some("enough"))
    );
    assert!(run.resume("too late").await.unwrap_err().is_finished());
}

/// A pause of an instance whose code is missing lasts when the code comes back.
#[test]
fn a_stalled_instance_can_be_paused() {
    let store = Memory::new();
    let with_code = || TaskHub::builder().backend(store.clone()).orchestrator(three);
    let without = || TaskHub::builder().backend(store.clone()).orchestrator(races);
    let process = Process::start(with_code());
    process.run(async {
        let run = process.hub.client().start(three, ()).id("t").await.unwrap();
        run.wait_for_start().await.unwrap();
    });
    process.crash();
    let process = Process::start(without());
    process.run(async {
        let run = process.hub.client().instance::<Vec<u64>, _>("t").unwrap();
        run.raise_event("item", &1).await.unwrap();
        while run.status().await.unwrap().stalled.is_none() {
            tokio::task::yield_now().await;
        }
        run.suspend("pause").await.unwrap();
        run.raise_event("item", &2).await.unwrap();
    });
    process.crash();
    let process = Process::start(with_code());
    process.run(async {
        let run = process.hub.client().instance::<Vec<u64>, _>("t").unwrap();
        until(&process.hub.client(), "t", RuntimeStatus::Suspended).await;
        run.raise_event("item", &3).await.unwrap();
        run.resume("go on").await.unwrap();
        assert_eq!(run.output().await.unwrap(), [1, 2, 3]);
    });
    process.stop();
}
