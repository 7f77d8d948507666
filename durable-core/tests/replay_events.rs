//! External events: kept before the wait, first in first out, names without case.

use durable_core::history::Completion;
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{raised, terminated};

#[orchestrator]
async fn three(ctx: OrchestrationContext) -> Result<Vec<i64>, OrchestratorError> {
    let mut seen = Vec::new();
    for _ in 0..3 {
        seen.push(ctx.wait_for_external_event::<i64>("Number").await?);
    }
    Ok(seen)
}

/// Trap 5: events that come before the wait, many in one batch, under any spelling.
#[test]
fn events_are_kept_in_order_and_names_have_no_case() {
    let mut script = Script::new(three, ());
    script.turn([raised("NUMBER", 1), raised("other", 9), raised("number", 2)]);
    script.raise("Number", 3);
    assert_eq!(script.output(), Some(serde_json::json!([1, 2, 3])));
}

#[orchestrator]
async fn first_in_first_out(ctx: OrchestrationContext) -> Result<(i64, i64), OrchestratorError> {
    let first = ctx.wait_for_external_event::<i64>("N");
    let second = ctx.wait_for_external_event::<i64>("N");
    try_join(first, second).await
}

#[test]
fn the_oldest_wait_gets_the_oldest_event() {
    let mut script = Script::new(first_in_first_out, ());
    script.turn([raised("n", 1), raised("n", 2)]);
    assert_eq!(script.output(), Some(serde_json::json!([1, 2])));
}

#[orchestrator]
async fn typed(ctx: OrchestrationContext) -> Result<i64, OrchestratorError> {
    match ctx.wait_for_external_event::<i64>("N").await {
        Ok(n) => Ok(n),
        Err(error) => {
            assert_eq!(error.details().error_type, "InvalidEvent");
            ctx.wait_for_external_event::<i64>("N").await
        }
    }
}

#[test]
fn a_payload_of_the_wrong_type_fails_the_wait_and_not_the_instance() {
    let mut script = Script::new(typed, ());
    script.raise("N", "not a number");
    script.raise("N", 5);
    assert_eq!(script.output(), Some(5.into()));
}

/// Trap 5: a termination in the same batch as an event.
#[test]
fn termination_after_events_of_the_same_batch() {
    let mut script = Script::new(three, ());
    script.turn([raised("Number", 1), terminated("enough"), raised("Number", 2)]);
    assert_eq!(script.completion(), Some(&Completion::Terminated(Some("enough".to_owned()))));
    assert!(script.outcome().drop_tasks);
}

#[orchestrator]
async fn bad_name(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let error = ctx.wait_for_external_event::<i64>("").await.expect_err("an empty name is not valid");
    Ok(error.details().error_type.clone())
}

#[test]
fn a_name_that_is_not_valid_fails_at_once() {
    assert_eq!(Script::new(bad_name, ()).output(), Some("InvalidName".into()));
}
