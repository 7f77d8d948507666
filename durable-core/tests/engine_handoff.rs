//! Rule 2: results go over in memory where that is safe, deliveries and crashes are counted exactly.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::prelude::*;
use durable_core::worker::NonDeterminismPolicy;
use durable_testing::world::{WorldBuilder, on_every_store};
use durable_testing::{World, assert_history};
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_secs(60);

#[orchestrator]
async fn fatal(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    match ctx.call_activity("crash", ()).await {
        Ok(text) => Ok(text),
        Err(error) => Ok(error.details().chain().last().map(|cause| cause.error_type.clone()).unwrap_or_default()),
    }
}

/// An activity that takes its process down each time is started three times, and then fails as poison.
#[test]
fn a_poisonous_activity_is_started_a_counted_number_of_times() {
    on_every_store(|world| {
        let world = world.orchestrator(fatal).hub(|hub| hub.max_deliveries(3)).build();
        let crash = world.mock_named("crash");
        crash.crashes();
        assert_eq!(world.start(fatal, ()).output(), "Poison");
        assert_eq!(crash.calls().iter().map(|call| call.delivery).collect::<Vec<_>>(), [1, 2, 3]);
    });
}

#[orchestrator]
async fn takes_its_process_down(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    Ok(())
}

/// An instance that takes its process down in each of its turns is taken over three times, and then fails as poison.
#[test]
fn a_poisonous_instance_is_taken_over_a_counted_number_of_times() {
    on_every_store(|world| {
        let world = world.orchestrator(takes_its_process_down).hub(|hub| hub.max_deliveries(3)).build();
        let code = world.mock_orchestrator(takes_its_process_down);
        code.crashes();
        let run = world.start(takes_its_process_down, ());
        assert_eq!(run.failure().error_type, "Poison");
        // The first owner is the one that created the instance; three take-overs follow.
        code.assert_called(4);
        // Once it does no more harm, it can be given another chance.
        code.returns(());
        run.rewind("repaired");
        let () = run.output();
    });
}

#[orchestrator]
async fn redeployed(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let first = ctx.call_activity("gate", 1_u32);
    let second = ctx.call_activity("gate", 2_u32);
    let approval = ctx.wait_for_external_event::<String>("go").await?;
    Ok(vec![approval, first.await?, second.await?])
}

#[orchestrator(name = "redeployed")]
async fn changed(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let first = ctx.call_activity("other", 1_u32);
    let approval = ctx.wait_for_external_event::<String>("go").await?;
    Ok(vec![approval, first.await?])
}

/// A world in which each process has the code of the present deployment.
fn deployments(world: WorldBuilder) -> (World, Arc<AtomicU64>) {
    let deployment = Arc::new(AtomicU64::new(0));
    let present = Arc::clone(&deployment);
    let world = world.allows_stalls().hub(move |hub| match present.load(Ordering::SeqCst) {
        0 => hub.orchestrator(redeployed).orchestrator(waits),
        1 => hub.orchestrator(changed).orchestrator(somebody_else),
        _ => hub.orchestrator(somebody_else).non_determinism(NonDeterminismPolicy::Fail),
    });
    (world.build(), deployment)
}

/// A stalled instance keeps what reaches it as rows, says why it is stalled, and goes on with the right code.
#[test]
fn a_stalled_instance_takes_the_row_path_and_goes_on_with_the_right_code() {
    on_every_store(|world| {
        let (world, deployment) = deployments(world);
        let gate = world.mock_named("gate");
        gate.answers(|n, _| Ok::<_, ActivityError>(n.to_string().into())).takes(MINUTE);
        let run = world.start_as("r", redeployed, ());
        world.advance(MINUTE / 2);

        deployment.store(1, Ordering::SeqCst);
        world.crash();
        run.raise("go", "yes");
        let status = run.status();
        assert_eq!(status.runtime_status, RuntimeStatus::Running);
        let stalled = status.stalled.unwrap();
        assert!(stalled.contains("the history has activity 'gate' with input 1"), "{stalled}");
        assert!(stalled.contains("does activity 'other' with input 1"), "{stalled}");
        // Both activities run again here, and their results find an instance that cannot go on.
        world.advance(MINUTE);
        assert!(run.status().stalled.is_some());

        deployment.store(0, Ordering::SeqCst);
        world.restart();
        assert_eq!(run.output(), ["yes", "1", "2"]);
        assert_eq!(run.status().stalled, None);
        assert_history!(run, [.., TaskCompleted, .., TaskCompleted, .., ExecutionCompleted]);
        let deliveries: Vec<_> = gate.calls().iter().map(|call| (call.input.clone(), call.delivery)).collect();
        assert_eq!(deliveries, [(1.into(), 1), (2.into(), 1), (1.into(), 2), (2.into(), 2)], "a result was not used");
    });
}

/// Tells of each of its runs, and takes a second, of which half is a sleep of its own.
#[activity(name = "gate")]
async fn in_two_steps(ctx: ActivityContext, State(log): State<Arc<Mutex<Vec<u32>>>>, n: u32) -> String {
    log.lock().unwrap().push(ctx.delivery());
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    n.to_string()
}

/// The results come as the stalled instance is tried again, after a second, and are in memory as it stalls once more.
#[test]
fn a_result_that_comes_with_a_stalled_turn_becomes_a_row() {
    on_every_store(|world| {
        let log = Arc::new(Mutex::new(Vec::<u32>::new()));
        let (world, deployment) = deployments(world.activity(in_two_steps).state(Arc::clone(&log)));
        let run = world.start(redeployed, ());
        deployment.store(1, Ordering::SeqCst);
        world.crash();
        run.raise("go", "yes");
        world.advance(2 * MINUTE);
        assert!(run.status().stalled.is_some());

        deployment.store(0, Ordering::SeqCst);
        world.restart();
        assert_eq!(run.output(), ["yes", "1", "2"]);
        assert_eq!(*log.lock().unwrap(), [1, 1, 2, 2], "a result was lost");
    });
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator(name = "waits")]
async fn somebody_else(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(Duration::from_secs(1)).await;
    Ok(())
}

/// With the other policy the instance fails, and a termination needs no code in either case.
#[test]
fn the_policy_decides_and_a_termination_always_works() {
    on_every_store(|world| {
        let (world, deployment) = deployments(world);
        let [a, b] = ["a", "b"].map(|id| world.start_as(id, waits, ()));
        deployment.store(1, Ordering::SeqCst);
        world.restart();
        a.raise("go", &());
        assert!(a.status().stalled.is_some());
        a.terminate("out of date");
        assert_eq!(a.runtime_status(), RuntimeStatus::Terminated);

        deployment.store(2, Ordering::SeqCst);
        world.restart();
        b.raise("go", &());
        assert_eq!(b.failure().error_type, "NonDeterminism");
        assert_history!(b, [ExecutionStarted, EventRaised("go"), ExecutionCompleted("Failed")]);
    });
}

#[orchestrator]
async fn patient(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let more: u64 = ctx.wait_for_external_event("more").await?;
    Ok(n + more)
}

/// Evicted instances are replayed when they are needed, and it makes no difference.
#[test]
fn eviction_makes_no_difference() {
    on_every_store(|world| {
        let world = world.orchestrator(patient).hub(|hub| hub.warm_instances(3)).build();
        let runs: Vec<_> = (0..50).map(|n| world.start(patient, n)).collect();
        assert!(runs.iter().all(|run| run.runtime_status() == RuntimeStatus::Running));
        runs.iter().for_each(|run| run.raise("more", &100));
        assert!(runs.iter().map(|run| run.output()).eq(100..150));
    });
}

/// Whatever is not consumed when a process ends in order lies in the store.
#[test]
fn results_for_cold_instances_become_rows() {
    on_every_store(|world| {
        let (world, _) = deployments(world);
        let gate = world.mock_named("gate");
        gate.answers(|n, _| Ok::<_, ActivityError>(n.to_string().into())).takes(MINUTE);
        let run = world.start_as("cold", redeployed, ());
        world.advance(MINUTE - Duration::from_secs(1));
        let opened = world.client().activities(run.id()).now_or_never().unwrap().unwrap().unwrap();
        assert_eq!(opened.len(), 2);
        // The process ends as the results come.
        world.restart();
        run.raise("go", "on");
        assert_eq!(run.output(), ["on", "1", "2"]);
        assert_eq!(world.elapsed(), MINUTE);
        gate.assert_called(2);
    });
}

static STARTS: AtomicUsize = AtomicUsize::new(0);

#[orchestrator]
async fn counts_its_starts(ctx: OrchestrationContext, n: u64) -> Result<usize, OrchestratorError> {
    STARTS.fetch_add(1, Ordering::SeqCst);
    for i in 0..n {
        let _: u64 = ctx.call_activity("step", i).await?;
    }
    Ok(STARTS.load(Ordering::SeqCst))
}

/// A live instance is not replayed at all, however quickly its next turn follows the commit of the last one.
#[test]
fn a_live_instance_is_not_replayed() {
    let world = World::builder().orchestrator(counts_its_starts).without_replay_checks().build();
    world.mock_named("step").answers(|n, _| Ok::<_, ActivityError>(n));
    assert_eq!(world.start(counts_its_starts, 2_000).output(), 1);
}

#[orchestrator]
async fn deadly(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    Ok(())
}

#[orchestrator]
async fn innocent(_ctx: OrchestrationContext, n: u64) -> u64 {
    n
}

/// Instances that wait beside a deadly one, and die with its process each time, do not share its fate.
#[test]
fn only_the_deadly_instance_is_poison() {
    on_every_store(|world| {
        // One turn at a time: nobody gets past the deadly one.
        let world = world.orchestrator(deadly).orchestrator(innocent);
        let world = world.hub(|hub| hub.max_concurrent_turns(1).max_deliveries(6)).build();
        let code = world.mock_orchestrator(deadly);
        code.crashes();
        let client = world.client();
        world.run_inside(async {
            client.start(deadly, ()).id("deadly").delay(MINUTE).await.unwrap();
            for n in 0..5 {
                client.start(innocent, n).id(format!("i-{n}")).delay(MINUTE).await.unwrap();
            }
        });
        let runs = (0..5).map(|n| world.instance::<u64>(&format!("i-{n}")));
        assert!(runs.map(|run| run.output()).eq(0..5));
        assert_eq!(world.instance::<()>("deadly").failure().error_type, "Poison");
        code.assert_called(7);
    });
}
