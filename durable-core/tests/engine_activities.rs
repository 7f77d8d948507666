//! Activities: retries, time limits, heartbeats, cancellation, typed errors.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::hub::TaskHubBuilder;
use durable_core::model::{Limit, Limits, TraceContext};
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use serde::{Deserialize, Serialize};
use support::{Gate, Log, Process, history, names};

#[derive(Debug, Serialize, Deserialize, Failure, thiserror::Error, PartialEq)]
enum PayError {
    #[error("the bank is down")]
    Down,
    #[error("the limit is {limit}")]
    #[failure(non_retriable)]
    Limit { limit: u64 },
}

#[activity]
async fn pay(ctx: ActivityContext, State(log): State<Log>, amount: u64) -> Result<u64, PayError> {
    log.lock().unwrap().push(format!("{} {}", ctx.attempt(), ctx.idempotency_key()));
    match amount {
        0 => Err(PayError::Limit { limit: 100 }),
        wanted if ctx.attempt() < wanted as u32 => Err(PayError::Down),
        enough => Ok(enough),
    }
}

#[orchestrator]
async fn shop(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(pay, amount).retry(RetryPolicy::exponential(5, Duration::from_millis(1))).await
}

fn hub(log: &Log) -> TaskHubBuilder {
    TaskHub::builder().backend(Memory::new()).orchestrator(shop).activity(pay).state(Arc::clone(log))
}

#[tokio::test]
async fn each_attempt_knows_its_number_and_all_share_a_key() {
    let log = Log::default();
    let hub = hub(&log).start().await.unwrap();
    let run = hub.client().start(shop, 3).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 3);
    let entries = log.lock().unwrap().clone();
    let (attempts, keys): (Vec<_>, Vec<_>) = entries.iter().map(|entry| entry.split_once(' ').unwrap()).unzip();
    assert_eq!(attempts, ["1", "2", "3"]);
    assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    let expected = ["TaskScheduled", "TaskFailed", "TimerCreated", "TimerFired"].repeat(2);
    let found = names(&history(&hub, run.id()).await);
    assert_eq!(found[1..9], expected);
    hub.shutdown().await.unwrap();
}

/// A failure that cannot be retried is not, and arrives as the value that it was.
#[tokio::test]
async fn a_non_retriable_failure_ends_the_retries_and_keeps_its_type() {
    let log = Log::default();
    let hub = hub(&log).start().await.unwrap();
    let run = hub.client().start(shop, 0).await.unwrap();
    let error = run.output().await.unwrap_err().downcast::<PayError>().unwrap();
    assert_eq!(error, PayError::Limit { limit: 100 });
    assert_eq!(log.lock().unwrap().len(), 1);
    hub.shutdown().await.unwrap();
}

#[activity]
async fn hangs(ctx: ActivityContext, State(gate): State<Arc<Gate>>, beats: u32) -> Result<u32, ActivityError> {
    for beat in 0..beats {
        ctx.heartbeat(&beat).await?;
        gate.pass(format!("beat {beat}")).await;
    }
    gate.pass("hangs").await;
    Ok(beats)
}

#[orchestrator]
async fn impatient(ctx: OrchestrationContext, beats: u32) -> Result<u32, OrchestratorError> {
    let call = ctx.call_activity(hangs, beats);
    if beats == 0 {
        call.timeout(Duration::from_secs(60)).await
    } else {
        call.heartbeat_timeout(Duration::from_secs(10)).await
    }
}

#[tokio::test]
async fn an_activity_that_takes_too_long_fails() {
    let (clock, gate) = (VirtualClock::new(), Gate::new());
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(impatient).activity(hangs);
    let hub = hub.state(Arc::clone(&gate)).clock(clock.clone()).start().await.unwrap();
    let run = hub.client().start(impatient, 0).await.unwrap();
    gate.arrival().await;
    clock.advance(Duration::from_secs(61));
    let error = run.output().await.unwrap_err();
    assert!(error.details().is_caused_by("Timeout"), "{error:?}");
    assert!(format!("{error:#}").contains("activity 'hangs' took longer than 60s"), "{error:#}");
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_activity_without_a_heartbeat_fails() {
    let (clock, gate) = (VirtualClock::new(), Gate::new());
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(impatient).activity(hangs);
    let hub = hub.state(Arc::clone(&gate)).clock(clock.clone()).start().await.unwrap();
    let run = hub.client().start(impatient, 3).await.unwrap();
    assert_eq!(gate.arrival().await, "beat 0");
    let pending = hub.client().activities(run.id()).await.unwrap().unwrap();
    assert_eq!(pending[0].progress.as_ref().unwrap().as_str(), "0");
    assert_eq!((pending[0].name.as_str(), pending[0].attempt, pending[0].deliveries), ("hangs", 1, 1));
    // The watch takes its first look at some moment after the first beat.
    while !run.status().await.unwrap().runtime_status.is_terminal() {
        clock.advance(Duration::from_secs(11));
        tokio::task::yield_now().await;
    }
    let error = run.output().await.unwrap_err();
    assert!(format!("{error:#}").contains("gave no heartbeat for 10s"), "{error:#}");
    hub.shutdown().await.unwrap();
}

#[activity]
async fn resumes(ctx: ActivityContext, State(gate): State<Arc<Gate>>) -> Result<Option<u32>, ActivityError> {
    let done: Option<u32> = ctx.progress()?;
    ctx.heartbeat(&done.map_or(7, |done| done + 1)).await?;
    if done.is_none() {
        gate.pass("first").await;
    }
    Ok(done)
}

#[orchestrator]
async fn calls_resumes(ctx: OrchestrationContext) -> Result<Option<u32>, OrchestratorError> {
    ctx.call_activity(resumes, ()).await
}

/// What an activity told before its process died, its next run finds.
#[test]
fn progress_survives_a_crash() {
    let (store, gate) = (Memory::new(), Gate::new());
    let hub = || {
        let hub = TaskHub::builder().backend(store.clone()).orchestrator(calls_resumes).activity(resumes);
        hub.state(Arc::clone(&gate))
    };
    let first = Process::start(hub());
    let id = first.run(async {
        let run = first.hub.client().start(calls_resumes, ()).await.unwrap();
        gate.arrival().await;
        run.id().clone()
    });
    first.crash();
    let second = Process::start(hub());
    let run = second.hub.client().instance::<Option<u32>, _>(&id).unwrap();
    assert_eq!(second.run(run.output()).unwrap(), Some(7));
    second.stop();
}

type Seen = Arc<Mutex<Vec<&'static str>>>;

#[activity]
async fn cancellable(ctx: ActivityContext, State(gate): State<Arc<Gate>>, State(seen): State<Seen>) {
    let _ = gate.pass("running").await;
    ctx.cancelled().await;
    seen.lock().unwrap().push("cancelled");
    gate.pass("over").await;
}

#[orchestrator]
async fn gives_up(ctx: OrchestrationContext, how: String) -> Result<(), OrchestratorError> {
    let call = ctx.call_activity(cancellable, ());
    ctx.wait_for_external_event::<()>("Now").await?;
    match how.as_str() {
        "drop" => {
            drop(call);
            ctx.wait_for_external_event::<()>("Never").await
        }
        "end" => Ok(()),
        _ => call.await,
    }
}

/// Dropping the call, the end of the orchestration and its termination are told to the activity.
#[tokio::test]
async fn an_activity_that_is_not_wanted_is_told() {
    for how in ["drop", "end", "terminate"] {
        let (gate, seen) = (Gate::new(), Seen::default());
        let hub = TaskHub::builder().backend(Memory::new()).orchestrator(gives_up).activity(cancellable);
        let hub = hub.state(Arc::clone(&gate)).state(Arc::clone(&seen)).start().await.unwrap();
        let run = hub.client().start(gives_up, how.to_owned()).await.unwrap();
        assert_eq!(gate.arrival().await, "running");
        gate.let_through(1);
        run.raise_event("Now", &()).await.unwrap();
        if how == "terminate" {
            run.terminate("enough").await.unwrap();
        }
        assert_eq!(gate.arrival().await, "over", "{how}");
        assert_eq!(*seen.lock().unwrap(), ["cancelled"], "{how}");
        gate.let_through(1);
        if how == "drop" {
            run.terminate("enough").await.unwrap();
        }
        hub.shutdown().await.unwrap();
    }
}

#[activity]
async fn large(n: usize) -> String {
    "x".repeat(n)
}

#[activity]
async fn traced(ctx: ActivityContext) -> Option<String> {
    ctx.trace().map(ToString::to_string)
}

#[orchestrator]
async fn calls_large(ctx: OrchestrationContext, n: usize) -> Result<usize, OrchestratorError> {
    Ok(ctx.call_activity(large, n).await?.len())
}

#[orchestrator]
async fn below(ctx: OrchestrationContext, depth: u32) -> Result<Option<String>, OrchestratorError> {
    if depth == 0 { ctx.call_activity(traced, ()).await } else { ctx.call_sub_orchestrator("below", depth - 1).await }
}

#[tokio::test]
async fn a_result_that_is_too_large_is_a_failure_with_numbers() {
    let mut limits = Limits::default();
    limits.payload = Limit::new(50, 100);
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(calls_large).activity(large).limits(limits);
    let hub = hub.start().await.unwrap();
    assert_eq!(hub.client().start(calls_large, 90).await.unwrap().output().await.unwrap(), 90);
    let error = hub.client().start(calls_large, 99).await.unwrap().output().await.unwrap_err();
    let text = format!("{error:#}");
    assert!(text.contains("the result of activity 'large' has 101 bytes, more than the limit of 100"), "{text}");
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_trace_reaches_activities_and_children() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(below).activity(traced).start().await.unwrap();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let context: TraceContext = trace.parse().unwrap();
    let run = hub.client().start(below, 2).trace(context).await.unwrap();
    assert_eq!(run.output().await.unwrap().as_deref(), Some(trace));
    assert_eq!(hub.client().start(below, 0).await.unwrap().output().await.unwrap(), None);
    hub.shutdown().await.unwrap();
}
