//! Activities: retries, time limits, heartbeats, cancellation, typed errors.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::model::{Limit, Limits, TraceContext};
use durable_core::prelude::*;
use durable_testing::world::{WorldBuilder, on_every_store};
use durable_testing::{World, assert_history};
use futures_util::FutureExt;
use serde::{Deserialize, Serialize};

const MINUTE: Duration = Duration::from_secs(60);

/// What activities have told, outside of their process.
type Log = Arc<Mutex<Vec<String>>>;

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
    ctx.call_activity(pay, amount).retry(RetryPolicy::exponential(5, Duration::from_secs(1))).await
}

fn shopping(world: WorldBuilder) -> (World, Log) {
    let log = Log::default();
    (world.orchestrator(shop).activity(pay).state(Arc::clone(&log)).build(), log)
}

#[test]
fn each_attempt_knows_its_number_and_all_share_a_key() {
    on_every_store(|world| {
        let (world, log) = shopping(world);
        let run = world.start(shop, 3);
        assert_eq!(run.output(), 3);
        let entries = log.lock().unwrap().clone();
        let (attempts, keys): (Vec<_>, Vec<_>) = entries.iter().map(|entry| entry.split_once(' ').unwrap()).unzip();
        assert_eq!(attempts, ["1", "2", "3"]);
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
        assert_eq!(world.elapsed(), Duration::from_secs(1 + 2));
        assert_history!(
            run,
            [
                ExecutionStarted,
                TaskScheduled,
                TaskFailed,
                TimerCreated,
                TimerFired,
                TaskScheduled,
                TaskFailed,
                TimerCreated,
                TimerFired,
                TaskScheduled,
                TaskCompleted,
                ExecutionCompleted,
            ]
        );
    });
}

/// A failure that cannot be retried is not, and arrives as the value that it was.
#[tokio::test]
async fn a_non_retriable_failure_ends_the_retries_and_keeps_its_type() {
    let (world, log) = shopping(World::builder());
    let run = world.client().start(shop, 0).await.unwrap();
    let error = run.output().await.unwrap_err().downcast::<PayError>().unwrap();
    assert_eq!(error, PayError::Limit { limit: 100 });
    assert_eq!(log.lock().unwrap().len(), 1);
}

/// Gives heartbeats, each after a minute, and then none.
#[activity]
async fn hangs(ctx: ActivityContext, beats: u32) -> Result<u32, ActivityError> {
    for beat in 0..beats {
        ctx.heartbeat(&beat).await?;
        tokio::time::sleep(MINUTE).await;
    }
    std::future::pending().await
}

#[orchestrator]
async fn impatient(ctx: OrchestrationContext, beats: u32) -> Result<u32, OrchestratorError> {
    let call = ctx.call_activity(hangs, beats);
    if beats == 0 { call.timeout(MINUTE).await } else { call.heartbeat_timeout(2 * MINUTE).await }
}

#[test]
fn an_activity_that_takes_too_long_fails() {
    on_every_store(|world| {
        let world = world.orchestrator(impatient).activity(hangs).build();
        let failure = world.start(impatient, 0).failure();
        assert!(failure.is_caused_by("Timeout"), "{failure:?}");
        assert!(format!("{failure:#}").contains("activity 'hangs' took longer than 60s"), "{failure:#}");
        assert_eq!(world.elapsed(), MINUTE);
    });
}

#[test]
fn an_activity_without_a_heartbeat_fails() {
    on_every_store(|world| {
        let world = world.orchestrator(impatient).activity(hangs).build();
        let run = world.start(impatient, 3);
        let client = world.client();
        for beat in ["0", "1", "2"] {
            let pending = client.activities(run.id()).now_or_never().unwrap().unwrap().unwrap();
            assert_eq!(pending[0].progress.as_ref().unwrap().as_str(), beat);
            assert_eq!((pending[0].name.as_str(), pending[0].attempt, pending[0].deliveries), ("hangs", 1, 1));
            world.advance(MINUTE);
        }
        let failure = run.failure();
        assert!(format!("{failure:#}").contains("gave no heartbeat for 120s"), "{failure:#}");
        assert_eq!(world.elapsed(), 4 * MINUTE, "two minutes after the last one");
    });
}

#[activity]
async fn resumes(ctx: ActivityContext) -> Result<Option<u32>, ActivityError> {
    let done: Option<u32> = ctx.progress()?;
    ctx.heartbeat(&done.map_or(7, |done| done + 1)).await?;
    if done.is_none() {
        std::future::pending::<()>().await;
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
    on_every_store(|world| {
        let world = world.orchestrator(calls_resumes).activity(resumes).build();
        let run = world.start(calls_resumes, ());
        world.crash();
        assert_eq!(run.output(), Some(7));
    });
}

#[activity]
async fn cancellable(ctx: ActivityContext, State(seen): State<Log>) {
    seen.lock().unwrap().push("running".to_owned());
    ctx.cancelled().await;
    seen.lock().unwrap().push("cancelled".to_owned());
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
#[test]
fn an_activity_that_is_not_wanted_is_told() {
    for how in ["drop", "end", "terminate"] {
        on_every_store(|world| {
            let seen = Log::default();
            let world = world.orchestrator(gives_up).activity(cancellable).state(Arc::clone(&seen));
            let world = world.without_leak_checks().build();
            let run = world.start(gives_up, how.to_owned());
            assert_eq!(*seen.lock().unwrap(), ["running"], "{how}");
            if how == "terminate" {
                run.terminate("enough");
            } else {
                run.raise("Now", &());
            }
            assert_eq!(*seen.lock().unwrap(), ["running", "cancelled"], "{how}");
            assert_eq!(run.is_finished(), how != "drop");
        });
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

#[test]
fn a_result_that_is_too_large_is_a_failure_with_numbers() {
    let mut limits = Limits::default();
    limits.payload = Limit::new(50, 100);
    let world = World::builder().orchestrator(calls_large).activity(large).hub(move |hub| hub.limits(limits)).build();
    assert_eq!(world.start(calls_large, 90).output(), 90);
    let text = format!("{:#}", world.start(calls_large, 99).failure());
    assert!(text.contains("the result of activity 'large' has 101 bytes, more than the limit of 100"), "{text}");
}

#[test]
fn a_trace_reaches_activities_and_children() {
    on_every_store(|world| {
        let world = world.orchestrator(below).activity(traced).build();
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let context: TraceContext = trace.parse().unwrap();
        let run = world.started(world.client().start(below, 2).trace(context));
        assert_eq!(run.output().as_deref(), Some(trace));
        assert_eq!(world.start(below, 0).output(), None);
    });
}
