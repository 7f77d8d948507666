//! Traps of retried calls.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::history::{Action, TaskOptions};
use durable_core::model::{FailureDetails, TaskId, Timestamp};
use durable_core::prelude::*;
use durable_core::replay::{ForeignAwait, ReplayFault};
use durable_testing::Script;
use durable_testing::events::{completed, failed, fired};
use std::time::Duration;

const fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn boom() -> FailureDetails {
    FailureDetails::new("Boom", "no")
}

/// When the timer of the last turn is due, counted from that turn.
fn delay(script: &Script) -> Duration {
    let fire_at: Vec<Timestamp> = script
        .outcome()
        .actions
        .iter()
        .filter_map(|(_, action)| match action {
            Action::CreateTimer { fire_at, .. } => Some(*fire_at),
            _ => None,
        })
        .collect();
    fire_at[0].saturating_since(script.now())
}

fn options(script: &Script) -> TaskOptions {
    let Action::ScheduleTask { options, .. } = &script.outcome().actions[0].1 else { panic!("no call") };
    *options
}

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn retries(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::exponential(4, seconds(5)).max_interval(seconds(12));
    ctx.call_activity(work, 1).timeout(seconds(60)).retry(policy).await
}

/// Trap 10: number of attempts, exact delays, cap, and no timer after the last attempt. Each turn is also replayed, so a
/// half-done retry is too.
#[test]
fn attempts_follow_the_policy() {
    let mut script = Script::new(retries, ());
    assert_eq!(script.calls(), ["#0 work 1"]);
    for (n, expected) in [(0, 5), (1, 10), (2, 12)] {
        script.fail(2 * n, boom());
        assert_eq!(script.calls(), [format!("#{} timer", 2 * n + 1)]);
        assert_eq!(delay(&script), seconds(expected));
        script.fire(2 * n + 1);
        assert_eq!(script.calls(), [format!("#{} work 1", 2 * n + 2)]);
        let options = options(&script);
        assert_eq!(
            (options.attempt, options.first_attempt, options.timeout),
            (n + 2, Some(TaskId(0)), Some(seconds(60)))
        );
    }
    script.fail(6, boom());
    assert_eq!(script.calls(), Vec::<String>::new());
    let text = format!("{:?}", script.completion());
    assert!(text.contains("activity 'work' failed") && text.contains("Boom"), "{text}");
    assert_eq!(script.batched().unwrap().completion.unwrap().1, *script.completion().unwrap());
}

#[test]
fn a_later_attempt_may_succeed() {
    let mut script = Script::new(retries, ());
    script.fail(0, boom());
    script.turn([fired(1), completed(2, 5)]);
    assert_eq!(script.output(), Some(5.into()));
}

#[test]
fn what_is_not_retriable_is_not_retried() {
    let mut script = Script::new(retries, ());
    script.fail(0, boom().non_retriable());
    assert!(script.completion().is_some() && script.calls().is_empty());
}

#[test]
fn a_failure_may_ask_for_a_longer_wait() {
    let mut script = Script::new(retries, ());
    let mut slow = boom();
    slow.retry_after = Some(seconds(100));
    script.fail(0, slow);
    assert_eq!(delay(&script), seconds(100));
}

#[orchestrator]
async fn nobody_looks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let retried = ctx.call_activity(work, 1).retry(RetryPolicy::fixed(3, seconds(1)));
    let other = ctx.call_activity(work, 2);
    other.await?;
    let third = ctx.call_activity(work, 3);
    Ok(retried.await? + third.await?)
}

/// Retries are hot, and take their sequence numbers before the code does with the same event.
#[test]
fn attempts_go_on_while_nobody_looks() {
    let mut script = Script::new(nobody_looks, ());
    script.fail(0, boom());
    assert_eq!(script.calls(), ["#2 timer"]);
    script.turn([fired(2), completed(1, 1)]);
    assert_eq!(script.calls(), ["#3 work 1", "#4 work 3"]);
    script.turn([completed(3, 10), completed(4, 1)]);
    assert_eq!(script.output(), Some(11.into()));
    assert_eq!(script.batched().unwrap().completion.unwrap().1, *script.completion().unwrap());
}

#[orchestrator]
async fn drops(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let retried = ctx.call_activity(work, 1).retry(RetryPolicy::fixed(3, seconds(1)));
    ctx.wait_for_external_event::<()>("drop").await?;
    drop(retried);
    ctx.call_activity(work, 2).await
}

#[test]
fn a_dropped_retry_cancels_what_it_is_doing() {
    let mut script = Script::new(drops, ());
    script.raise("drop", ());
    assert_eq!(script.calls(), ["#1 work 2", "-#0"]);
    let mut script = Script::new(drops, ());
    script.fail(0, boom());
    script.raise("drop", ());
    assert_eq!(script.calls(), ["#2 work 2", "-#1"]);
    script.fire(1);
    script.complete(2, 1);
    assert_eq!(script.output(), Some(1.into()));
}

#[orchestrator]
async fn detaches(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity(work, 1).retry(RetryPolicy::fixed(3, seconds(1))).detach();
    ctx.wait_for_external_event::<()>("end").await
}

#[test]
fn a_detached_retry_goes_on_and_its_end_cancels_nothing() {
    let mut script = Script::new(detaches, ());
    script.fail(0, boom());
    script.fire(1);
    assert_eq!(script.calls(), ["#2 work 1"]);
    script.raise("end", ());
    assert_eq!(script.calls(), Vec::<String>::new());
    assert!(script.completion().is_some());
}

#[orchestrator]
async fn picky(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(9, Duration::ZERO).retry_timeout(seconds(10)).handle(|failure| {
        assert_ne!(failure.error_type, "Panic");
        failure.error_type != "Hopeless"
    });
    ctx.call_activity(work, 1).retry(policy).await
}

#[test]
fn a_predicate_and_its_panic_end_the_retries() {
    for error_type in ["Hopeless", "Panic"] {
        let mut script = Script::new(picky, ());
        script.fail(0, boom());
        assert_eq!(delay(&script), Duration::ZERO, "no delay is a timer that fires at once");
        script.fire(1);
        script.fail(2, FailureDetails::new(error_type, "x"));
        assert!(script.completion().is_some() && script.calls().is_empty());
    }
}

/// Trap 10: the timeout counts replay time at the failure.
#[test]
fn no_attempt_follows_after_the_retry_timeout() {
    let mut script = Script::new(picky, ());
    script.wait(seconds(9));
    script.fail(0, boom());
    script.fire(1);
    script.wait(seconds(1));
    script.fail(2, boom());
    assert!(script.completion().is_some() && script.calls().is_empty());
}

#[orchestrator]
async fn overflows(ctx: OrchestrationContext, capped: bool) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(9, seconds(10)).backoff_coefficient(f64::MAX);
    let policy = if capped { policy.max_interval(seconds(60)) } else { policy };
    ctx.call_activity(work, 1).retry(policy).await
}

#[test]
fn an_endless_delay_is_capped() {
    for capped in [true, false] {
        let mut script = Script::new(overflows, capped);
        for n in 0..4 {
            script.fail(2 * n, boom());
            let expected = if n == 0 { seconds(10) } else { seconds(60) };
            assert!(delay(&script) == expected || !capped && delay(&script) > seconds(1_000_000_000));
            script.fire(2 * n + 1);
        }
    }
}

#[orchestrator]
async fn jitters(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(2, seconds(100)).jitter(0.5);
    let calls = (0..2).map(|_| ctx.call_activity(work, 1).retry(policy.clone()));
    Ok(try_join_all(calls).await?.len() as u64)
}

#[test]
fn jitter_shortens_each_delay_in_its_own_way() {
    let mut script = Script::new(jitters, ());
    script.fail(0, boom());
    let first = delay(&script);
    script.fail(1, boom());
    let second = delay(&script);
    assert_ne!(first, second);
    for delay in [first, second] {
        assert!(delay > seconds(50) && delay <= seconds(100), "{delay:?}");
    }
}

#[orchestrator]
async fn child(_ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(n)
}

#[orchestrator]
async fn retries_children(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let policy = RetryPolicy::fixed(2, seconds(1));
    let derived = ctx.call_sub_orchestrator(child, 1).retry(policy.clone());
    let explicit = ctx.call_sub_orchestrator(child, 2).retry(policy).id("mine");
    let error = derived.await.unwrap_err();
    explicit.await?;
    Ok(error.to_string())
}

/// Trap 8: each attempt has an id of its own, unless the caller has chosen one.
#[test]
fn attempts_of_children_have_ids_of_their_own() {
    let mut script = Script::new(retries_children, ());
    assert_eq!(script.calls(), ["#0 child child script:01234567:0000 1", "#1 child child mine 2"]);
    script.fail_child(0, boom());
    script.fail_child(1, boom());
    script.fire(2);
    assert_eq!(script.calls(), ["#4 child child script:01234567:0004 1"]);
    script.fire(3);
    assert_eq!(script.calls(), ["#5 child child mine 2"]);
    script.fail_child(4, boom());
    script.complete_child(5, 1);
    let expected = "child orchestration 'child' (instance 'script:01234567:0004') failed";
    assert_eq!(script.output(), Some(expected.into()));
}

#[orchestrator]
async fn asks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let again = |failed: RetryContext| async move {
        failed.ctx.create_timer(seconds(u64::from(failed.attempt))).await;
        assert_ne!(failed.failure.error_type, "Panic");
        failed.attempt < 3 && failed.total_time < seconds(100)
    };
    ctx.call_activity(work, 1).retry_with(again).await
}

#[test]
fn a_handler_decides_and_waits_as_it_likes() {
    let mut script = Script::new(asks, ());
    for n in 0..2 {
        script.fail(2 * n, boom());
        assert_eq!(delay(&script), seconds(u64::from(n) + 1));
        script.fire(2 * n + 1);
        assert_eq!(script.calls(), [format!("#{} work 1", 2 * n + 2)]);
    }
    script.fail(4, boom());
    script.fire(5);
    assert!(script.completion().is_some() && script.calls().is_empty());

    let mut script = Script::new(asks, ());
    script.turn([failed(0, FailureDetails::new("Panic", "x")), fired(1)]);
    let text = format!("{:?}", script.completion());
    assert!(text.contains("TaskFailed"), "a handler that panics lets the failure stand: {text}");
}

#[orchestrator]
async fn foreign_handler(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(work, 1).retry_with(|_| std::future::pending()).await
}

#[test]
fn a_handler_must_not_await_what_is_not_durable() {
    let mut script = Script::new(foreign_handler, ());
    let fault = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| script.try_turn([failed(0, boom())])));
    assert_eq!(fault.unwrap(), Err(ReplayFault::ForeignAwait(ForeignAwait::NothingDurable)));
}

#[orchestrator]
async fn only_a_driver_waits(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let _retried = ctx.call_activity(work, 1).retry(RetryPolicy::fixed(3, seconds(1)));
    std::future::pending::<()>().await;
    Ok(())
}

/// What a driver waits for is nothing that the code waits for.
#[test]
fn a_driver_does_not_hide_a_foreign_await() {
    let fault = Script::try_new(only_a_driver_waits, ()).unwrap_err();
    assert_eq!(fault, ReplayFault::ForeignAwait(ForeignAwait::NothingDurable));
}

#[orchestrator]
async fn wide(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let calls = (0..12_000).map(|n| ctx.call_activity(work, n).retry(RetryPolicy::fixed(2, seconds(1))));
    Ok(try_join_all(calls).await?.len() as u64)
}

#[test]
fn many_drivers_are_no_endless_loop() {
    let mut script = Script::new(wide, ());
    script.turn((0..12_000).map(|n| completed(n, 1)));
    assert_eq!(script.output(), Some(12_000.into()));
}

/// However the same events are cut into turns, the code sees the same, and gives the same numbers to its calls.
#[test]
fn borders_of_turns_change_nothing_for_retries() {
    let events = [failed(0, boom()), completed(1, 1), fired(2), completed(3, 10), completed(4, 10)];
    // The timer takes #2 and the third call #3, whatever comes together.
    let ends: Vec<_> = (0_u32..16)
        .map(|borders| {
            let mut script = Script::new(nobody_looks, ());
            let mut turn = Vec::new();
            for (n, event) in events.iter().enumerate() {
                turn.push(event.clone());
                if borders >> n & 1 == 1 {
                    script.turn(std::mem::take(&mut turn));
                }
            }
            script.turn(turn);
            (script.completion().cloned(), script.history().iter().filter_map(|record| record.kind.action_id()).max())
        })
        .collect();
    assert!(ends[0].0.is_some() && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}
