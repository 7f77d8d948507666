//! Several workers on one store: who owns what, who is told of what, and what gets lost without harm.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::backend::{Backend, WorkerId};
use durable_core::hub::TaskHubBuilder;
use durable_core::model::RuntimeStatus;
use durable_core::prelude::*;
use durable_testing::fleet::{Fleet, Member};
use support::{Gate, Log, history, names};
use tokio::time::Instant;

const BEAT: Duration = Duration::from_secs(3);
const LEASE: Duration = Duration::from_secs(9);
/// Far less than a heartbeat: nobody has waited for one.
const AT_ONCE: Duration = Duration::from_millis(500);

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn steps(ctx: OrchestrationContext, n: u64) -> Result<Vec<String>, OrchestratorError> {
    let mut done = Vec::new();
    for i in 0..n {
        done.push(ctx.call_activity::<_, &str>("work", i).await?);
    }
    Ok(done)
}

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<Vec<String>, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity::<_, &str>("work", i)).collect::<Vec<_>>();
    try_join_all(calls).await
}

#[orchestrator]
async fn sleeps(ctx: OrchestrationContext, seconds: u64) -> Result<(), OrchestratorError> {
    ctx.create_timer(Duration::from_secs(seconds)).await;
    Ok(())
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.call_sub_orchestrator(child, "x".to_owned()).id("the child").await
}

#[orchestrator]
async fn child(ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    ctx.call_activity::<_, &str>("work", text).await
}

/// A worker that runs `waits`, `steps`, `fan_out` and `sleeps`, and whose activity takes a tenth of a second and answers with
/// the worker's name.
fn worker(name: &'static str, log: &Log) -> impl FnOnce(TaskHubBuilder) -> TaskHubBuilder {
    let log = Arc::clone(log);
    move |hub| {
        let hub = hub.orchestrator(waits).orchestrator(steps).orchestrator(fan_out).orchestrator(sleeps);
        hub.max_concurrent_activities(4).activity_fn("work", move |ctx: ActivityContext, n: u64| {
            let log = Arc::clone(&log);
            async move {
                log.lock().unwrap().push(format!("{} {n}", ctx.instance_id()));
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok::<_, ActivityError>(name.to_owned())
            }
        })
    }
}

fn log() -> Log {
    Arc::new(Mutex::new(Vec::new()))
}

async fn two() -> (Fleet, Member, Member, Log) {
    let (fleet, log) = (Fleet::new(), log());
    let a = fleet.launch(worker("a", &log)).await.unwrap();
    let b = fleet.launch(worker("b", &log)).await.unwrap();
    (fleet, a, b, log)
}

/// An instance of `waits` that has had its first turn at this worker.
async fn waiting(at: &Member, id: &str) {
    let run = at.client().start(waits, ()).id(id).await.unwrap();
    run.wait_for_start().await.unwrap();
}

async fn raise(at: &Member, id: &str) {
    at.client().raise_event(&InstanceId::new(id).unwrap(), "go", "now").await.unwrap();
}

async fn output(at: &Member, id: &str) -> String {
    let run = at.client().instance::<String, _>(id).unwrap();
    // Far longer than anything takes here, and over in no time.
    let status = run.wait_timeout(Duration::from_secs(86_400)).await.unwrap();
    assert!(status.runtime_status.is_terminal(), "{id} is {} for ever", status.runtime_status);
    run.output().await.unwrap()
}

async fn status(at: &Member, id: &str) -> RuntimeStatus {
    at.client().status(&InstanceId::new(id).unwrap()).await.unwrap().unwrap().runtime_status
}

async fn epoch(fleet: &Fleet, id: &str) -> u64 {
    fleet.store().instance(id).await.unwrap().unwrap().epoch
}

/// How often each kind of event is in the history of an instance.
async fn count(at: &Member, id: &str, kind: &str) -> usize {
    let history = history(at.hub(), &InstanceId::new(id).unwrap()).await;
    names(&history).iter().filter(|name| **name == kind).count()
}

#[tokio::test(start_paused = true)]
async fn an_event_reaches_an_instance_of_another_worker() {
    let (fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    let begin = Instant::now();
    raise(&b, "x").await;
    assert_eq!(output(&a, "x").await, "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!(epoch(&fleet, "x").await, 1, "it stayed where it was");
}

#[orchestrator]
async fn work_then_wait(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let who = ctx.call_activity::<_, &str>("work", 0_u64).await?;
    ctx.wait_for_external_event::<String>("go").await?;
    Ok(who)
}

/// A worker that was silent for a while is not followed by anybody, since its instance had nothing to do meanwhile; but the
/// call was taken over, and both workers have a result in the end.
#[tokio::test(start_paused = true)]
async fn a_call_that_two_workers_run_completes_once() {
    let fleet = Fleet::new();
    let worker = |name: &'static str, seconds| {
        move |hub: TaskHubBuilder| {
            hub.orchestrator(work_then_wait).activity_fn("work", move |_: u64| async move {
                tokio::time::sleep(Duration::from_secs(seconds)).await;
                Ok::<_, ActivityError>(name.to_owned())
            })
        }
    };
    let a = fleet.launch(worker("a", 60)).await.unwrap();
    let _b = fleet.launch(worker("b", 20)).await.unwrap();
    a.client().start(work_then_wait, ()).id("x").await.unwrap();
    fleet.pass(BEAT).await;
    a.freeze();
    fleet.pass(LEASE + 2 * BEAT).await;
    a.thaw();
    fleet.pass(Duration::from_secs(100)).await;
    raise(&a, "x").await;
    assert_eq!(output(&a, "x").await, "b");
    assert_eq!(epoch(&fleet, "x").await, 1, "it stayed where it was");
    assert_eq!(count(&a, "x", "TaskCompleted").await, 1);
}

/// The result of a call came in a turn that was refused, since another worker has the instance by now: the call is run again.
#[tokio::test(start_paused = true)]
async fn a_result_in_a_refused_turn_is_not_the_last_of_its_call() {
    let fleet = Fleet::new();
    let a = fleet.launch(|hub| {
        hub.orchestrator(work_then_wait).activity_fn("work", |_: u64| async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok::<_, ActivityError>("a".to_owned())
        })
    });
    let a = a.await.unwrap();
    let b = fleet.launch(|hub| hub.orchestrator(work_then_wait)).await.unwrap();
    a.client().start(work_then_wait, ()).id("x").await.unwrap();
    fleet.pass(Duration::from_secs(1)).await;
    a.freeze();
    fleet.pass(LEASE + 2 * BEAT).await;
    raise(&b, "x").await;
    fleet.pass(Duration::from_secs(1)).await;
    assert_eq!(epoch(&fleet, "x").await, 2, "it went to the other worker");
    a.thaw();
    assert_eq!(output(&b, "x").await, "a");
}

/// A turn that needs the history waits for the store as its commit would: the instance is not to blame.
#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_for_a_moment_stalls_nobody() {
    let (fleet, log) = (Fleet::new(), log());
    let a = fleet.launch(|hub| worker("a", &log)(hub).warm_instances(0)).await.unwrap();
    waiting(&a, "x").await;
    a.faults().fail_histories(4);
    let begin = Instant::now();
    raise(&a, "x").await;
    assert_eq!(output(&a, "x").await, "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_an_instance_of_another_worker() {
    let (_fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    let begin = Instant::now();
    let at_b = b.client().instance::<String, _>("x").unwrap();
    let (output, ()) = tokio::join!(at_b.output(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        raise(&a, "x").await;
    });
    assert_eq!(output.unwrap(), "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_wait_goes_on_when_the_instance_changes_hands() {
    let (_fleet, a, b, log) = two().await;
    waiting(&a, "x").await;
    let at_b = b.client().instance::<String, _>("x").unwrap();
    let (output, ()) = tokio::join!(at_b.output(), async {
        a.kill();
        let fleet = &_fleet;
        fleet.pass(LEASE + BEAT).await;
        let c = fleet.launch(worker("c", &log)).await.unwrap();
        raise(&c, "x").await;
    });
    assert_eq!(output.unwrap(), "now");
}

#[tokio::test(start_paused = true)]
async fn a_fan_out_uses_all_workers() {
    let (_fleet, a, b, log) = two().await;
    let begin = Instant::now();
    let run = a.client().start(fan_out, 400).id("x").await.unwrap();
    let who = run.output().await.unwrap();
    let of = |name: &str| who.iter().filter(|who| *who == name).count();
    assert!(of("a") > 150 && of("b") > 150, "a: {}, b: {}", of("a"), of("b"));
    // 400 calls of 0.1 s, eight at a time.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    let mut ran = log.lock().unwrap().clone();
    ran.sort();
    ran.dedup();
    assert_eq!((ran.len(), log.lock().unwrap().len()), (400, 400), "each ran once");
    assert_eq!(count(&b, "x", "TaskCompleted").await, 400);
}

#[tokio::test(start_paused = true)]
async fn a_dead_worker_is_replaced_after_its_lease_and_not_before() {
    let (fleet, a, b, log) = two().await;
    let run = a.client().start(steps, 40).id("x").await.unwrap();
    waiting(&a, "y").await;
    fleet.pass(Duration::from_secs(1)).await;
    a.kill();
    raise(&b, "y").await;
    let begun = log.lock().unwrap().len();
    // Its last heartbeat was at most one interval before its end.
    fleet.pass(LEASE - BEAT).await;
    assert_eq!((status(&b, "x").await, status(&b, "y").await), (RuntimeStatus::Running, RuntimeStatus::Running));
    assert_eq!((epoch(&fleet, "x").await, epoch(&fleet, "y").await), (1, 1));
    assert!(log.lock().unwrap().len() <= begun + 1, "a call ran twice although its runner counts as alive");
    fleet.pass(BEAT * 2 + AT_ONCE).await;
    // A result from elsewhere has taken the first from the dead one before its new owner came.
    assert_eq!((epoch(&fleet, "x").await, epoch(&fleet, "y").await), (3, 2));
    assert_eq!(output(&b, "y").await, "now");
    let who = b.client().instance::<Vec<String>, _>("x").unwrap().output().await.unwrap();
    assert_eq!(who.len(), 40);
    assert!(who.contains(&"a".to_owned()) && who.contains(&"b".to_owned()));
    assert_eq!((count(&b, "x", "TaskScheduled").await, count(&b, "x", "TaskCompleted").await), (40, 40));
    let ran = log.lock().unwrap();
    for n in 0..40 {
        assert!(ran.contains(&format!("x {n}")), "call {n} never ran");
    }
    assert!(ran.len() <= 42, "more than what was on its way ran again: {}", ran.len());
    drop(run);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_instances_of_a_dead_worker_are_taken_over_within_its_lease_and_a_heartbeat() {
    let (fleet, a, b, _) = two().await;
    let client = a.client();
    let starts = (0..1_000).map(|n| client.start(waits, ()).id(format!("x{n}")).into_future());
    join_all(starts).await.into_iter().for_each(|run| drop(run.unwrap()));
    a.kill();
    for n in 0..1_000 {
        raise(&b, &format!("x{n}")).await;
    }
    fleet.pass(LEASE + BEAT + AT_ONCE).await;
    for n in 0..1_000 {
        assert_eq!(status(&b, &format!("x{n}")).await, RuntimeStatus::Completed, "x{n}");
    }
}

/// What a worker has decided but not committed before it lost an instance never counts.
#[tokio::test(start_paused = true)]
async fn a_worker_that_stood_still_is_refused_and_goes_on() {
    let (fleet, gates) = (Fleet::new(), [Gate::new(), Gate::new()]);
    let gated = |name: &'static str, gate: &Arc<Gate>| {
        let gate = Arc::clone(gate);
        move |hub: TaskHubBuilder| {
            hub.orchestrator(steps).orchestrator(waits).activity_fn("work", move |_: ActivityContext, _: u64| {
                let gate = Arc::clone(&gate);
                async move {
                    gate.pass(name).await;
                    Ok::<_, ActivityError>(name.to_owned())
                }
            })
        }
    };
    let a = fleet.launch(gated("a", &gates[0])).await.unwrap();
    let b = fleet.launch(gated("b", &gates[1])).await.unwrap();
    a.client().start(steps, 2).id("x").await.unwrap();
    gates[0].arrival().await;
    waiting(&a, "kept").await;
    a.freeze();
    // The result comes in time, and its turn is decided; only the commit does not get through.
    gates[0].let_through(1);
    fleet.pass(LEASE * 2).await;
    gates[1].arrival().await;
    gates[1].let_through(2);
    let who = b.client().instance::<Vec<String>, _>("x").unwrap().output().await.unwrap();
    assert_eq!(who, ["b", "b"]);
    a.thaw();
    fleet.pass(BEAT * 2).await;
    assert_eq!((count(&a, "x", "TaskScheduled").await, count(&a, "x", "TaskCompleted").await), (2, 2));
    assert_eq!(epoch(&fleet, "x").await, 3);
    // What nobody has taken is still its own.
    assert_eq!(epoch(&fleet, "kept").await, 1);
    raise(&b, "kept").await;
    assert_eq!(output(&a, "kept").await, "now");
    assert_eq!(epoch(&fleet, "kept").await, 1);
    let begin = Instant::now();
    waiting(&a, "new").await;
    raise(&a, "new").await;
    assert_eq!(output(&a, "new").await, "now");
    assert!(begin.elapsed() < AT_ONCE);
}

/// Code does not run on a worker whose lease has ended: others may be running it.
#[tokio::test(start_paused = true)]
async fn no_turn_begins_after_the_end_of_the_lease() {
    static SEEN: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[orchestrator]
    async fn sees(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        let who = ctx.call_activity::<_, &str>("who", ()).await?;
        SEEN.lock().unwrap().push(who);
        Ok(())
    }

    let (fleet, gate) = (Fleet::new(), Gate::new());
    let at_gate = Arc::clone(&gate);
    let a = fleet
        .launch(|hub| {
            hub.orchestrator(sees).activity_fn("who", move |_: ActivityContext, (): ()| {
                let gate = Arc::clone(&at_gate);
                async move {
                    gate.pass("a").await;
                    Ok::<_, ActivityError>("a".to_owned())
                }
            })
        })
        .await
        .unwrap();
    let run = a.client().start(sees, ()).await.unwrap();
    gate.arrival().await;
    a.freeze();
    fleet.pass(LEASE - BEAT).await;
    assert_eq!(*SEEN.lock().unwrap(), [""; 0]);
    fleet.pass(BEAT * 2).await;
    gate.let_through(1);
    fleet.pass(LEASE).await;
    assert_eq!(*SEEN.lock().unwrap(), [""; 0], "it ran under a lease that had ended");
    a.thaw();
    run.output().await.unwrap();
    assert_eq!(*SEEN.lock().unwrap(), ["a"], "nobody had taken it, so it went on");
}

/// A worker that the store does not know any more begins anew, and what it ran is not lost.
#[tokio::test(start_paused = true)]
async fn a_worker_that_was_given_up_for_dead_begins_anew() {
    let (fleet, log) = (Fleet::new(), log());
    let a = fleet.launch(worker("a", &log)).await.unwrap();
    let run = a.client().start(steps, 100).id("x").await.unwrap();
    waiting(&a, "y").await;
    fleet.pass(Duration::from_millis(150)).await;
    fleet.store().detach(WorkerId(1)).await.unwrap();
    assert_eq!(run.output().await.unwrap().len(), 100);
    assert_eq!(epoch(&fleet, "x").await, 3);
    assert_eq!(count(&a, "x", "TaskCompleted").await, 100);
    raise(&a, "y").await;
    assert_eq!(output(&a, "y").await, "now");
    a.drain().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_a_drained_worker_had_is_taken_over_at_once() {
    let (_fleet, a, b, log) = two().await;
    waiting(&a, "y").await;
    a.client().start(fan_out, 20).id("x").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let begin = Instant::now();
    a.drain().await.unwrap();
    raise(&b, "y").await;
    assert_eq!(output(&b, "y").await, "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    let who = b.client().instance::<Vec<String>, _>("x").unwrap().output().await.unwrap();
    assert_eq!(who.len(), 20);
    assert!(begin.elapsed() < BEAT, "{:?}", begin.elapsed());
    assert_eq!(log.lock().unwrap().len(), 20, "nothing that had ended ran again");
    assert_eq!(count(&b, "x", "TaskCompleted").await, 20);
}

/// A worker that drains leaves to others at once what it does not run, and brings to an end what it runs.
#[tokio::test(start_paused = true)]
async fn a_long_activity_of_a_draining_worker_holds_up_nothing_else() {
    let (fleet, log) = (Fleet::new(), log());
    let long = Arc::clone(&log);
    let a = fleet
        .launch(|hub| {
            let hub = hub.orchestrator(steps).orchestrator(fan_out).orchestrator(waits).max_concurrent_activities(4);
            hub.activity_fn("work", move |ctx: ActivityContext, n: u64| {
                long.lock().unwrap().push(format!("{} {n}", ctx.instance_id()));
                let takes = if ctx.instance_id().as_str() == "long" { 10 } else { 20 };
                async move {
                    tokio::time::sleep(Duration::from_secs(takes)).await;
                    Ok::<_, ActivityError>("a".to_owned())
                }
            })
        })
        .await
        .unwrap();
    a.client().start(steps, 3).id("long").await.unwrap();
    fleet.pass(Duration::from_millis(10)).await;
    a.client().start(fan_out, 9).id("wide").await.unwrap();
    waiting(&a, "y").await;
    let b = fleet.launch(worker("b", &log)).await.unwrap();
    fleet.pass(AT_ONCE).await;
    let begin = Instant::now();
    let (drained, ()) = tokio::join!(a.drain(), async {
        // Four calls run at the one that drains.
        raise(&b, "y").await;
        assert_eq!(output(&b, "y").await, "now");
        assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
        fleet.pass(Duration::from_secs(1)).await;
        assert_eq!(count(&b, "wide", "TaskCompleted").await, 6);
        let who = b.client().instance::<Vec<String>, _>("long").unwrap().output().await.unwrap();
        assert_eq!(who, ["a", "b", "b"]);
        assert!(begin.elapsed() < Duration::from_secs(11), "{:?}", begin.elapsed());
        let who = b.client().instance::<Vec<String>, _>("wide").unwrap().output().await.unwrap();
        assert_eq!(who.iter().filter(|who| *who == "a").count(), 3);
    });
    drained.unwrap();
    assert!(begin.elapsed() < Duration::from_secs(21), "{:?}", begin.elapsed());
    assert_eq!(log.lock().unwrap().len(), 12, "each ran once: {:?}", log.lock().unwrap());
}

/// Hints that get lost cost at most a heartbeat.
#[tokio::test(start_paused = true)]
async fn what_is_not_told_is_found_by_the_next_heartbeat() {
    let (_fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    waiting(&a, "y").await;
    a.lose_hints(true);
    b.lose_hints(true);
    // A message for an instance of another worker.
    let begin = Instant::now();
    raise(&b, "x").await;
    assert_eq!(output(&a, "x").await, "now");
    assert!(begin.elapsed() > Duration::ZERO && begin.elapsed() <= BEAT + AT_ONCE, "{:?}", begin.elapsed());
    // The end of an instance of another worker.
    let at_b = b.client().instance::<String, _>("y").unwrap();
    let (output, begin) = tokio::join!(at_b.output(), async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let begin = Instant::now();
        raise(&a, "y").await;
        begin
    });
    assert_eq!(output.unwrap(), "now");
    assert!(begin.elapsed() > Duration::ZERO && begin.elapsed() <= BEAT + AT_ONCE, "{:?}", begin.elapsed());
    // Calls that others could take.
    let run = a.client().start(fan_out, 400).await.unwrap();
    let who = run.output().await.unwrap();
    assert!(who.iter().filter(|who| *who == "b").count() > 3);
}

/// Rows that nobody owns wait for a worker that has the code.
#[tokio::test(start_paused = true)]
async fn a_worker_takes_only_what_it_can_run() {
    let (fleet, log) = (Fleet::new(), log());
    let client_only = fleet.launch(|hub| hub).await.unwrap();
    let child_only = fleet.launch(|hub| hub.orchestrator(child)).await.unwrap();
    let begin = Instant::now();
    let run = client_only.client().start(parent, ()).id("x").await.unwrap();
    fleet.pass(BEAT * 3).await;
    assert_eq!(status(&client_only, "x").await, RuntimeStatus::Pending, "nobody has its code");
    let parent_only = fleet.launch(|hub| hub.orchestrator(parent)).await.unwrap();
    run.wait_for_start().await.unwrap();
    fleet.pass(BEAT * 3).await;
    assert_eq!(status(&client_only, "the child").await, RuntimeStatus::Running, "nobody has its activity");
    let ran = Arc::clone(&log);
    let activity_only = fleet
        .launch(|hub| {
            hub.activity_fn("work", move |_: ActivityContext, text: String| {
                ran.lock().unwrap().push(text.clone());
                async move { Ok::<_, ActivityError>(format!("{text} done")) }
            })
        })
        .await
        .unwrap();
    assert_eq!(run.output().await.unwrap(), "x done");
    assert!(begin.elapsed() < BEAT * 6 + AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!(*log.lock().unwrap(), ["x"]);
    for member in [client_only, child_only, parent_only, activity_only] {
        member.drain().await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn timers_of_a_dead_and_of_a_drained_worker_fire() {
    let (fleet, a, b, log) = two().await;
    let c = fleet.launch(worker("c", &log)).await.unwrap();
    let begin = Instant::now();
    a.client().start(sleeps, 3_600).id("x").await.unwrap().wait_for_start().await.unwrap();
    c.client().start(sleeps, 7_200).id("y").await.unwrap().wait_for_start().await.unwrap();
    a.client().start(sleeps, 1).id("z").delay(Duration::from_secs(1_800)).await.unwrap();
    fleet.pass(Duration::from_secs(60)).await;
    a.kill();
    fleet.pass(Duration::from_secs(60)).await;
    c.drain().await.unwrap();
    for (id, at) in [("z", 1_801), ("x", 3_600), ("y", 7_200)] {
        b.client().instance::<(), _>(id).unwrap().output().await.unwrap();
        let late = begin.elapsed().checked_sub(Duration::from_secs(at)).unwrap();
        assert!(late <= BEAT + AT_ONCE, "{id} came {late:?} late");
        assert_eq!(count(&b, id, "TimerFired").await, 1);
    }
}

/// A timer stays with the instance that moved to another worker, and fires once.
#[tokio::test(start_paused = true)]
async fn a_timer_fires_once_although_two_workers_know_it() {
    let (fleet, a, b, _) = two().await;
    a.client().start(sleeps, 60).id("x").await.unwrap().wait_for_start().await.unwrap();
    a.freeze();
    fleet.pass(LEASE + BEAT).await;
    // It is told to look, as after a message.
    b.client().instance::<(), _>("x").unwrap().raise_event("other", &()).await.unwrap();
    a.thaw();
    fleet.pass(Duration::from_secs(60)).await;
    assert_eq!(status(&a, "x").await, RuntimeStatus::Completed);
    assert_eq!(count(&a, "x", "TimerFired").await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_another_worker_removes_is_forgotten() {
    let (fleet, a, b, log) = two().await;
    a.client().start(steps, 1_000).id("x").await.unwrap();
    fleet.pass(Duration::from_millis(250)).await;
    b.client().instance::<(), _>("x").unwrap().purge().force().await.unwrap();
    fleet.pass(Duration::from_millis(250)).await;
    let ran = log.lock().unwrap().len();
    fleet.pass(BEAT * 3).await;
    assert_eq!(log.lock().unwrap().len(), ran, "it went on");
    waiting(&b, "x").await;
    raise(&a, "x").await;
    assert_eq!(output(&a, "x").await, "now");
}

/// Whoever has it in memory is told.
#[tokio::test(start_paused = true)]
async fn a_call_of_an_instance_that_another_worker_removes_is_cancelled() {
    let (fleet, log) = (Fleet::new(), log());
    let seen = Arc::clone(&log);
    let a = fleet
        .launch(|hub| {
            hub.orchestrator(steps).activity_fn("work", move |ctx: ActivityContext, _: u64| {
                let seen = Arc::clone(&seen);
                async move {
                    seen.lock().unwrap().push("begun".to_owned());
                    ctx.cancelled().await;
                    seen.lock().unwrap().push("cancelled".to_owned());
                    Ok::<_, ActivityError>(String::new())
                }
            })
        })
        .await
        .unwrap();
    let b = fleet.launch(|hub| hub).await.unwrap();
    a.client().start(steps, 1).id("x").await.unwrap();
    fleet.pass(AT_ONCE).await;
    b.client().instance::<(), _>("x").unwrap().purge().force().await.unwrap();
    fleet.pass(AT_ONCE).await;
    assert_eq!(*log.lock().unwrap(), ["begun", "cancelled"]);
}

/// Pauses and ends are messages: they reach an instance wherever it is, also when it is nowhere.
#[tokio::test(start_paused = true)]
async fn an_instance_is_controlled_from_every_worker() {
    let (fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    let at_b = b.client().instance::<String, _>("x").unwrap();
    at_b.suspend("for now").await.unwrap();
    fleet.pass(AT_ONCE).await;
    assert_eq!(status(&b, "x").await, RuntimeStatus::Suspended);
    raise(&a, "x").await;
    // Nobody looks at it again and again.
    let before = a.faults().commits() + b.faults().commits();
    fleet.pass(BEAT * 20).await;
    assert_eq!(a.faults().commits() + b.faults().commits(), before);
    at_b.resume("go on").await.unwrap();
    assert_eq!(output(&b, "x").await, "now");
    waiting(&a, "y").await;
    let at_b = b.client().instance::<String, _>("y").unwrap();
    at_b.terminate("enough").await.unwrap();
    fleet.pass(AT_ONCE).await;
    assert_eq!(status(&a, "y").await, RuntimeStatus::Terminated);
}

/// What goes out of memory goes to whoever gets something for it.
#[tokio::test(start_paused = true)]
async fn an_instance_that_was_evicted_goes_to_whoever_gets_its_message() {
    let (fleet, log) = (Fleet::new(), log());
    let a = fleet.launch(|hub| worker("a", &log)(hub).warm_instances(1)).await.unwrap();
    let b = fleet.launch(worker("b", &log)).await.unwrap();
    waiting(&a, "x").await;
    waiting(&a, "y").await;
    let at_a = a.client().instance::<String, _>("x").unwrap();
    let begin = Instant::now();
    let (output, ()) = tokio::join!(at_a.output(), async {
        fleet.pass(Duration::from_millis(100)).await;
        raise(&b, "x").await;
    });
    assert_eq!(output.unwrap(), "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!((epoch(&fleet, "x").await, epoch(&fleet, "y").await), (2, 1));
    // Also when somebody waits for it before it goes.
    let at_a = a.client().instance::<String, _>("y").unwrap();
    let begin = Instant::now();
    let (output, ()) = tokio::join!(at_a.output(), async {
        fleet.pass(Duration::from_millis(100)).await;
        waiting(&a, "z").await;
        raise(&b, "y").await;
    });
    assert_eq!(output.unwrap(), "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
    assert_eq!((epoch(&fleet, "y").await, epoch(&fleet, "z").await), (2, 1));
}

/// A worker that finds out that an instance is not its own any more asks to be told of its end.
#[tokio::test(start_paused = true)]
async fn a_wait_survives_the_loss_of_the_instance() {
    let (fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    let at_a = a.client().instance::<String, _>("x").unwrap();
    let (output, begin) = tokio::join!(at_a.output(), async {
        fleet.pass(Duration::from_millis(100)).await;
        a.freeze();
        b.client().instance::<(), _>("x").unwrap().raise_event("other", &()).await.unwrap();
        fleet.pass(LEASE + BEAT).await;
        a.thaw();
        fleet.pass(BEAT * 2).await;
        assert_eq!(epoch(&fleet, "x").await, 2);
        let begin = Instant::now();
        at_a.raise_event("other", &()).await.unwrap();
        fleet.pass(Duration::from_millis(100)).await;
        raise(&b, "x").await;
        begin
    });
    assert_eq!(output.unwrap(), "now");
    assert!(begin.elapsed() < AT_ONCE, "{:?}", begin.elapsed());
}

/// A timer that another worker has cancelled meanwhile does not fire, although this one has not forgotten it.
#[tokio::test(start_paused = true)]
async fn a_timer_that_was_cancelled_elsewhere_does_not_fire() {
    #[orchestrator]
    async fn naps(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
        ctx.wait_for_external_event::<String>("go").timeout(Duration::from_secs(60)).await?;
        ctx.wait_for_external_event("end").await
    }

    let (fleet, log) = (Fleet::new(), log());
    let mut members = Vec::new();
    for name in ["a", "b"] {
        let hub = |hub| worker(name, &log)(hub).orchestrator(naps).warm_instances(1);
        members.push(fleet.launch(hub).await.unwrap());
    }
    let [a, b] = &members[..] else { unreachable!() };
    a.client().start(naps, ()).id("x").await.unwrap().wait_for_start().await.unwrap();
    waiting(a, "it goes out of memory").await;
    raise(b, "x").await;
    waiting(b, "it goes out of memory here too").await;
    assert_eq!((epoch(&fleet, "x").await, count(a, "x", "EventRaised").await), (2, 1));
    fleet.pass(Duration::from_secs(120)).await;
    assert_eq!(count(a, "x", "TimerFired").await, 0);
    b.client().instance::<(), _>("x").unwrap().raise_event("end", "over").await.unwrap();
    assert_eq!(output(b, "x").await, "over");
}

/// An idle fleet writes nothing.
#[tokio::test(start_paused = true)]
async fn idle_workers_only_show_that_they_live() {
    let (fleet, a, b, _) = two().await;
    waiting(&a, "x").await;
    fleet.pass(BEAT * 2).await;
    let before = (a.faults().commits(), b.faults().commits());
    fleet.pass(Duration::from_secs(3_600)).await;
    assert_eq!((a.faults().commits(), b.faults().commits()), before);
    raise(&b, "x").await;
    assert_eq!(output(&b, "x").await, "now");
}
