//! Traps of handles that are dropped, given up or never looked at.

use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, fired};
use std::time::Duration;

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn never_polled(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let unpolled = ctx.call_activity(work, 1);
    let second = ctx.call_activity(work, 2).await?;
    drop(unpolled);
    Ok(second)
}

/// Trap 2: calls are hot.
#[test]
fn a_call_that_is_never_polled_runs() {
    let mut script = Script::new(never_polled, ());
    assert_eq!(script.calls(), ["#0 work 1", "#1 work 2"]);
    script.turn([completed(0, 1), completed(1, 2)]);
    assert_eq!(script.output(), Some(2.into()));
    assert_eq!(script.calls(), Vec::<String>::new(), "a finished call is not cancelled");
}

#[orchestrator]
async fn loser(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    {
        let call = ctx.call_activity(work, 1);
        let timer = ctx.create_timer(Duration::from_secs(1));
        let _ = select(call, timer).await;
    }
    ctx.call_activity(work, 2).await
}

/// Trap 2: a drop is recorded, changes no id, and the late completion reaches nobody.
#[test]
fn a_dropped_call_is_cancelled_and_its_late_result_is_ignored() {
    let mut script = Script::new(loser, ());
    script.fire(1);
    assert_eq!(script.calls(), ["#2 work 2", "-#0"]);
    script.complete(0, 99);
    assert_eq!(script.completion(), None);
    script.complete(2, 2);
    assert_eq!(script.output(), Some(2.into()));
}

#[orchestrator]
async fn dropped_at_once(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    drop(ctx.call_activity(work, 1));
    ctx.call_activity(work, 2).await
}

/// A handle dropped before its commit records both the schedule and the cancellation.
#[test]
fn a_call_dropped_in_its_own_turn_is_scheduled_and_cancelled() {
    let script = Script::new(dropped_at_once, ());
    assert_eq!(script.calls(), ["#0 work 1", "#1 work 2", "-#0"]);
}

#[orchestrator]
async fn detached(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity(work, 1).detach();
    Ok(())
}

#[test]
fn a_detached_call_is_not_cancelled() {
    let script = Script::new(detached, ());
    assert_eq!(script.calls(), ["#0 work 1"]);
    assert!(script.completion().is_some());
    assert!(!script.outcome().drop_tasks);
}

#[orchestrator]
async fn open_tasks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let _timer = ctx.create_timer(Duration::from_secs(1));
    let _call = ctx.call_activity(work, 1);
    ctx.call_activity(work, 2).await
}

/// Trap 19: the orchestrator completes at once; what is open is cancelled, in the order of the ids.
#[test]
fn completion_with_open_tasks_cancels_them() {
    let mut script = Script::new(open_tasks, ());
    script.complete(2, 2);
    assert_eq!(script.output(), Some(2.into()));
    assert_eq!(script.calls(), ["-#0", "-#1"]);
}

/// Taking a future down is nobody's decision: a warm executor that is evicted emits nothing.
#[test]
fn tearing_down_emits_nothing() {
    let mut script = Script::new(open_tasks, ());
    let before = script.history().to_vec();
    drop(script.batched());
    assert_eq!(script.history(), before);
    script.complete(2, 2);
    assert_eq!(script.calls(), ["-#0", "-#1"]);
}

#[orchestrator]
async fn two_waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let first = ctx.wait_for_external_event::<String>("Go");
    let second = ctx.wait_for_external_event::<String>("Go");
    drop(first);
    second.await
}

/// Trap 4.
#[test]
fn a_dropped_wait_leaves_the_queue() {
    let mut script = Script::new(two_waits, ());
    script.raise("go", "x");
    assert_eq!(script.output(), Some("x".into()));
}

#[orchestrator]
async fn untaken(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let timer = ctx.create_timer(Duration::from_secs(1));
    let event = ctx.wait_for_external_event::<String>("Go");
    let held = ctx.call_activity(work, 1);
    held.await?;
    // Both are there by now; the timer is looked at first.
    match select(timer, event).await {
        Either::Left(((), event)) => drop(event),
        Either::Right(_) => return Ok("event first".to_owned()),
    }
    ctx.wait_for_external_event::<String>("Go").await
}

/// An event is used up when the code sees it, not when a wait that is dropped unseen received it.
#[test]
fn an_event_that_was_never_seen_goes_to_the_next_wait() {
    let mut script = Script::new(untaken, ());
    script.raise("Go", "first");
    script.raise("Go", "second");
    script.fire(0);
    script.complete(1, 1);
    assert_eq!(script.output(), Some("first".into()));
    assert!(script.batched().unwrap().completion.is_some());
}

#[orchestrator]
async fn late_timer(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    drop(ctx.create_timer(Duration::from_secs(1)));
    ctx.call_activity(work, 1).await
}

#[test]
fn a_dropped_timer_is_cancelled_and_its_late_firing_is_ignored() {
    let mut script = Script::new(late_timer, ());
    assert_eq!(script.calls(), ["#0 timer", "#1 work 1", "-#0"]);
    script.turn([fired(0)]);
    script.complete(1, 4);
    assert_eq!(script.output(), Some(4.into()));
}
