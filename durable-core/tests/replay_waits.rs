//! Traps of waits for events that take too long.

use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, fired, raised};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let wait = ctx.wait_for_external_event::<String>("Go").timeout(SECOND);
    ctx.call_activity(work, 1).await?;
    match wait.await {
        Err(error) if error.is_timeout() => Ok(error.to_string()),
        other => other,
    }
}

/// The race is decided where the events arrive, although the code looks much later.
#[test]
fn the_first_of_event_and_timeout_wins() {
    let mut script = Script::new(waits, ());
    assert_eq!(script.calls(), ["#0 timer", "#1 work 1"]);
    script.raise("go", "x");
    assert_eq!(script.calls(), ["-#0"]);
    script.turn([fired(0), completed(1, 1)]);
    assert_eq!(script.output(), Some("x".into()));
    assert_eq!(script.batched().unwrap().completion.unwrap().1, *script.completion().unwrap());

    let mut script = Script::new(waits, ());
    script.turn([fired(0), raised("go", "x"), completed(1, 1)]);
    assert_eq!(script.output(), Some("no event 'Go' arrived in time".into()));
}

#[orchestrator]
async fn falls_back(ctx: OrchestrationContext) -> Result<(u64, u64), OrchestratorError> {
    let first = ctx.wait_for_external_event("n").timeout_or(SECOND, 7).await?;
    // An event that comes after the timeout is there for the next wait, which then needs no timer.
    ctx.call_activity(work, 1).await?;
    Ok((first, ctx.wait_for_external_event("n").timeout_or(SECOND, 8).await?))
}

#[test]
fn a_default_stands_for_the_event_and_the_queue_is_left() {
    let mut script = Script::new(falls_back, ());
    script.fire(0);
    assert_eq!(script.calls(), ["#1 work 1"]);
    script.raise("n", 1);
    script.complete(1, 1);
    assert_eq!(script.calls(), Vec::<String>::new(), "no timer for an event that is there");
    assert_eq!(script.output(), Some(serde_json::json!([7, 1])));
    assert!(script.batched().unwrap().completion.is_some());
}

#[orchestrator]
async fn drops(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let open = ctx.wait_for_external_event::<String>("Go").timeout(SECOND);
    let unseen = ctx.wait_for_external_event::<String>("Seen").timeout(SECOND);
    ctx.call_activity(work, 1).await?;
    drop(open);
    drop(unseen);
    let next: String = ctx.wait_for_external_event("Seen").await?;
    let go: String = ctx.wait_for_external_event("Go").await?;
    Ok(next + &go)
}

/// Trap 4, with timeouts.
#[test]
fn a_dropped_wait_takes_its_timer_along_and_gives_its_event_back() {
    let mut script = Script::new(drops, ());
    script.raise("Seen", "a");
    assert_eq!(script.calls(), ["-#1"]);
    script.complete(2, 1);
    assert_eq!(script.calls(), ["-#0"]);
    script.raise("Go", "b");
    assert_eq!(script.output(), Some("ab".into()));
}

#[orchestrator]
async fn only_waits(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ctx.wait_for_external_event("x").timeout(SECOND).await
}

#[test]
fn an_unhandled_timeout_fails_the_orchestration() {
    use durable_core::history::Completion;
    let mut script = Script::new(only_waits, ());
    script.fire(0);
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("{:?}", script.completion()) };
    assert_eq!(failure.error_type, "EventTimeout");
}
