//! Rule 2: results go over in memory where that is safe, deliveries and crashes are counted exactly.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use durable_core::backend::Backend;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_core::worker::NonDeterminismPolicy;
use support::{Gate, Log, Process, history, names};

#[orchestrator]
async fn fatal(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    match ctx.call_activity("crash", ()).await {
        Ok(text) => Ok(text),
        Err(error) => Ok(error.details().chain().last().map(|cause| cause.error_type.clone()).unwrap_or_default()),
    }
}

fn crashing(store: &Memory, gate: &Arc<Gate>, log: &Log) -> TaskHubBuilder {
    let (gate, log) = (Arc::clone(gate), Arc::clone(log));
    let crash = move |ctx: ActivityContext, (): ()| {
        let (gate, log) = (Arc::clone(&gate), Arc::clone(&log));
        async move {
            log.lock().unwrap().push(ctx.delivery().to_string());
            gate.pass("crash").await;
            Ok::<_, ActivityError>(String::new())
        }
    };
    TaskHub::builder().backend(store.clone()).orchestrator(fatal).activity_fn("crash", crash).max_deliveries(3)
}

/// An activity that takes its process down each time is started three times, and then fails as poison.
#[test]
fn a_poisonous_activity_is_started_a_counted_number_of_times() {
    let (store, gate, log) = (Memory::new(), Gate::new(), Log::default());
    for start in 0..3 {
        let process = Process::start(crashing(&store, &gate, &log));
        process.run(async {
            if start == 0 {
                process.hub.client().start(fatal, ()).id("p").await.unwrap();
            }
            gate.arrival().await;
        });
        process.crash();
    }
    let process = Process::start(crashing(&store, &gate, &log));
    process.run(async {
        let run = process.hub.client().instance::<String, _>("p").unwrap();
        assert_eq!(run.output().await.unwrap(), "Poison");
    });
    assert_eq!(*log.lock().unwrap(), ["1", "2", "3"]);
    process.stop();
}

static TURNS: AtomicUsize = AtomicUsize::new(0);
static BLOCKED: AtomicBool = AtomicBool::new(true);

#[orchestrator]
async fn takes_its_process_down(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    #[nondeterministic(reason = "stands for code that ends the process")]
    {
        TURNS.fetch_add(1, Ordering::SeqCst);
        while BLOCKED.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
    Ok(())
}

/// An instance that takes its process down in each of its turns is taken over three times, and then fails as poison.
#[test]
fn a_poisonous_instance_is_taken_over_a_counted_number_of_times() {
    let store = Memory::new();
    let hub = || TaskHub::builder().backend(store.clone()).orchestrator(takes_its_process_down).max_deliveries(3);
    // The first owner is the one that created the instance; three take-overs follow.
    for start in 0..4 {
        let process = Process::start(hub());
        if start == 0 {
            process.run(async { process.hub.client().start(takes_its_process_down, ()).id("p").await.unwrap() });
        }
        while TURNS.load(Ordering::SeqCst) <= start {
            std::thread::yield_now();
        }
        process.crash_spinning();
    }
    let process = Process::start(hub());
    process.run(async {
        let status = process.hub.client().instance::<(), _>("p").unwrap().wait().await.unwrap();
        assert_eq!(status.runtime_status, RuntimeStatus::Failed);
        assert_eq!(status.failure.unwrap().error_type, "Poison");
    });
    assert_eq!(TURNS.load(Ordering::SeqCst), 4);
    // Once it does no more harm, it can be given another chance.
    BLOCKED.store(false, Ordering::SeqCst);
    process.run(async {
        let run = process.hub.client().instance::<(), _>("p").unwrap();
        process.hub.client().rewind(run.id(), "repaired").await.unwrap();
        run.output().await.unwrap();
    });
    process.stop();
}

static CHANGED: AtomicBool = AtomicBool::new(false);

#[orchestrator]
async fn redeployed(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let name = if CHANGED.load(Ordering::SeqCst) { "other" } else { "gate" };
    let first = ctx.call_activity(name, 1_u32);
    let second = ctx.call_activity("gate", 2_u32);
    let approval = ctx.wait_for_external_event::<String>("go").await?;
    Ok(vec![approval, first.await?, second.await?])
}

fn deployment(store: &Memory, gate: &Arc<Gate>) -> TaskHubBuilder {
    let gate = Arc::clone(gate);
    TaskHub::builder().backend(store.clone()).orchestrator(redeployed).activity_fn("gate", move |n: u32| {
        let gate = Arc::clone(&gate);
        async move {
            gate.pass(n).await;
            Ok::<_, ActivityError>(n.to_string())
        }
    })
}

/// A stalled instance keeps what reaches it as rows, says why it is stalled, and goes on with the right code.
#[test]
fn a_stalled_instance_takes_the_row_path_and_goes_on_with_the_right_code() {
    let (store, gate) = (Memory::new(), Gate::new());
    let first = Process::start(deployment(&store, &gate));
    first.run(async {
        first.hub.client().start(redeployed, ()).id("r").await.unwrap();
        gate.arrival().await;
        gate.arrival().await;
    });
    first.crash();

    CHANGED.store(true, Ordering::SeqCst);
    let wrong = Process::start(deployment(&store, &gate));
    wrong.run(async {
        let run = wrong.hub.client().instance::<Vec<String>, _>("r").unwrap();
        run.raise_event("go", "yes").await.unwrap();
        // Both activities run again here, and their results find an instance that cannot go on.
        gate.arrival().await;
        gate.arrival().await;
        gate.let_through(2);
        let stalled = loop {
            let status = run.status().await.unwrap();
            if let Some(stalled) = status.stalled {
                assert_eq!(status.runtime_status, RuntimeStatus::Running);
                break stalled;
            }
            tokio::task::yield_now().await;
        };
        assert!(stalled.contains("the history has activity 'gate' with input 1"), "{stalled}");
        assert!(stalled.contains("does activity 'other' with input 1"), "{stalled}");
    });
    wrong.stop();

    CHANGED.store(false, Ordering::SeqCst);
    let right = Process::start(deployment(&store, &gate));
    right.run(async {
        let run = right.hub.client().instance::<Vec<String>, _>("r").unwrap();
        assert_eq!(run.output().await.unwrap(), ["yes", "1", "2"]);
        assert_eq!(run.status().await.unwrap().stalled, None);
        let history = history(&right.hub, run.id()).await;
        assert_eq!(names(&history).iter().filter(|name| **name == "TaskCompleted").count(), 2);
    });
    assert!(gate.started.try_lock().unwrap().try_recv().is_err(), "a result that was there was not used");
    right.stop();
}

/// With the other policy the instance fails, and a termination needs no code in either case.
#[tokio::test]
async fn the_policy_decides_and_a_termination_always_works() {
    let store = Memory::new();
    let hub = |name: &'static str| {
        let known = TaskHub::builder().backend(store.clone());
        match name {
            "with" => known.orchestrator(waits),
            _ => known.orchestrator(somebody_else),
        }
    };
    #[orchestrator]
    async fn waits(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.wait_for_external_event("go").await
    }
    #[orchestrator(name = "waits")]
    async fn somebody_else(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.create_timer(std::time::Duration::from_secs(1)).await;
        Ok(())
    }
    let first = hub("with").start().await.unwrap();
    for id in ["a", "b"] {
        let run = first.client().start(waits, ()).id(id).await.unwrap();
        while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
            tokio::task::yield_now().await;
        }
    }
    first.shutdown().await.unwrap();

    let stalling = hub("without").start().await.unwrap();
    let a = stalling.client().instance::<(), _>("a").unwrap();
    a.raise_event("go", &()).await.unwrap();
    while a.status().await.unwrap().stalled.is_none() {
        tokio::task::yield_now().await;
    }
    a.terminate("out of date").await.unwrap();
    assert_eq!(a.wait().await.unwrap().runtime_status, RuntimeStatus::Terminated);
    stalling.shutdown().await.unwrap();

    let failing = hub("without").non_determinism(NonDeterminismPolicy::Fail).start().await.unwrap();
    let b = failing.client().instance::<(), _>("b").unwrap();
    b.raise_event("go", &()).await.unwrap();
    let status = b.wait().await.unwrap();
    assert_eq!(status.failure.unwrap().error_type, "NonDeterminism");
    assert_eq!(names(&history(&failing, b.id()).await), ["ExecutionStarted", "EventRaised", "ExecutionCompleted"]);
}

#[orchestrator]
async fn patient(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let more: u64 = ctx.wait_for_external_event("more").await?;
    Ok(n + more)
}

/// Evicted instances are replayed when they are needed, and it makes no difference.
#[tokio::test]
async fn eviction_makes_no_difference() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(patient).warm_instances(3).start().await.unwrap();
    let client = hub.client();
    let runs = join_all((0..50).map(|n| {
        let client = client.clone();
        async move { client.start(patient, n).await.unwrap() }
    }))
    .await;
    for run in &runs {
        while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
            tokio::task::yield_now().await;
        }
    }
    for run in &runs {
        run.raise_event("more", &100).await.unwrap();
    }
    for (n, run) in runs.iter().enumerate() {
        assert_eq!(run.output().await.unwrap(), n as u64 + 100);
    }
}

/// Whatever is not consumed when a process ends in order lies in the store.
#[tokio::test]
async fn results_for_cold_instances_become_rows() {
    let (store, gate) = (Memory::new(), Gate::new());
    let hub = deployment(&store, &gate).start().await.unwrap();
    let run = hub.client().start(redeployed, ()).id("cold").await.unwrap();
    gate.arrival().await;
    gate.arrival().await;
    gate.let_through(2);
    hub.shutdown().await.unwrap();
    let row = store.instance("cold").await.unwrap().unwrap();
    let recorded = store.history(row.key).await.unwrap();
    let next = deployment(&store, &gate).start().await.unwrap();
    next.client().raise_event(run.id(), "go", "on").await.unwrap();
    let run = next.client().instance::<Vec<String>, _>("cold").unwrap();
    assert_eq!(run.output().await.unwrap(), ["on", "1", "2"]);
    assert!(recorded.len() >= 3);
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
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(counts_its_starts);
    let process = Process::start(hub.activity_fn("step", |n: u64| async move { Ok::<_, ActivityError>(n) }));
    let starts = process.run(async { process.hub.client().start(counts_its_starts, 2_000).await?.output().await });
    assert_eq!(starts.unwrap(), 1);
    process.stop();
}

static DEADLY: AtomicUsize = AtomicUsize::new(0);
static LETHAL: AtomicBool = AtomicBool::new(true);

#[orchestrator]
async fn deadly(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    #[nondeterministic(reason = "stands for code that ends the process")]
    {
        DEADLY.fetch_add(1, Ordering::SeqCst);
        while LETHAL.load(Ordering::SeqCst) {
            std::thread::yield_now();
        }
    }
    Ok(())
}

#[orchestrator]
async fn innocent(_ctx: OrchestrationContext, n: u64) -> u64 {
    n
}

/// Instances that wait beside a deadly one, and die with its process each time, do not share its fate.
#[test]
fn only_the_deadly_instance_is_poison() {
    let store = Memory::new();
    let hub = || {
        let hub = TaskHub::builder().backend(store.clone()).orchestrator(deadly).orchestrator(innocent);
        // One turn at a time: nobody gets past the deadly one.
        hub.max_concurrent_turns(1).max_deliveries(6)
    };
    for start in 0..7 {
        let process = Process::start(hub());
        if start == 0 {
            process.run(async {
                process.hub.client().start(deadly, ()).id("deadly").await.unwrap();
                for n in 0..5 {
                    process.hub.client().start(innocent, n).id(format!("i-{n}")).await.unwrap();
                }
            });
        }
        while DEADLY.load(Ordering::SeqCst) <= start {
            std::thread::yield_now();
        }
        process.crash_spinning();
    }
    let process = Process::start(hub());
    process.run(async {
        let status = process.hub.client().instance::<(), _>("deadly").unwrap().wait().await.unwrap();
        assert_eq!(status.failure.unwrap().error_type, "Poison");
        for n in 0..5 {
            let run = process.hub.client().instance::<u64, _>(format!("i-{n}")).unwrap();
            assert_eq!(run.output().await.unwrap(), n);
        }
    });
    LETHAL.store(false, Ordering::SeqCst);
    process.stop();
}
