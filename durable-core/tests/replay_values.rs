//! Time, ids, random numbers, failures and panics as the code sees them.

use durable_core::history::{Completion, EventKind, ExecutionHeader, HistoryRecord, decode_event, encode_event};
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, PANIC_ERROR_TYPE, Payload};
use durable_core::prelude::*;
use durable_testing::Script;
use std::time::Duration;

#[activity]
async fn note(text: String) -> String {
    text
}

#[orchestrator]
async fn values(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let mut seen = Vec::new();
    for _ in 0..2 {
        seen.push(format!("{} {} {}", ctx.now(), ctx.new_guid(), ctx.new_guid()));
        seen.push(format!("{} {}", ctx.rng().next_u64(), ctx.rng_stream("other").next_u64()));
        ctx.call_activity(note, seen.concat()).await?;
    }
    Ok(seen)
}

/// Trap 7. Each turn of a script compares the live run with a replay, so a value that changed would show there; here the
/// history also takes the way through the stored form.
#[test]
fn values_are_the_same_after_a_store_round_trip_and_distinct_within_a_run() {
    let mut script = Script::new(values, ());
    script.complete(0, "");
    script.complete(1, "");
    let Some(serde_json::Value::Array(seen)) = script.output() else { panic!("no output") };
    let distinct: std::collections::HashSet<_> =
        seen.iter().flat_map(|line| line.as_str().unwrap().split(' ')).collect();
    assert_eq!(distinct.len(), 10, "{seen:?}");

    let header = std::sync::Arc::new(ExecutionHeader::new(
        InstanceId::new("script").unwrap(),
        ExecutionId::from_stored("0123456789abcdef0123456789abcdef"),
        FunctionName::new("o").unwrap(),
        Payload::null(),
    ));
    let stored = script.history().iter().map(|record| HistoryRecord {
        kind: decode_event(encode_event(&record.kind), &header).unwrap(),
        ..record.clone()
    });
    assert_eq!(script.replay_history(&stored.collect::<Vec<_>>()), Ok(()));
}

#[orchestrator]
async fn is_replaying(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    let live_at_start = !ctx.is_replaying();
    ctx.create_timer(Duration::from_secs(1)).await;
    // Not part of any action, so it may differ: true in the first run, and in a replay only after the last event.
    let _ = live_at_start;
    Ok(!ctx.is_replaying())
}

#[test]
fn code_after_the_first_new_event_is_live() {
    let mut script = Script::new(is_replaying, ());
    script.fire(0);
    assert_eq!(script.output(), Some(true.into()));
}

#[orchestrator]
async fn panics(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    panic!("at {}", 7)
}

#[test]
fn a_panic_fails_the_instance() {
    let script = Script::new(panics, ());
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("not failed") };
    assert_eq!((failure.error_type.as_str(), failure.error_message.as_str()), (PANIC_ERROR_TYPE, "at 7"));
}

#[orchestrator]
async fn passes_on(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.call_activity(note, String::new()).await
}

#[test]
fn a_failure_keeps_its_whole_chain() {
    let mut script = Script::new(passes_on, ());
    script.fail(0, FailureDetails::new("Outer", "outer").caused_by(FailureDetails::new("Inner", "inner")));
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("not failed") };
    assert_eq!(format!("{failure:#}"), "activity 'note' failed: outer: inner");
    assert!(failure.is_caused_by("Inner"));
}

#[test]
fn a_result_of_the_wrong_type_is_an_error_that_names_both() {
    let mut script = Script::new(passes_on, ());
    script.complete(0, 17);
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("not failed") };
    assert_eq!(failure.error_message, "the result of activity 'note' is no `alloc::string::String`");
    assert!(format!("{failure:#}").contains("invalid type: integer `17`"), "{failure:#}");
}

#[orchestrator]
async fn shows_status(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.set_custom_status("first")?;
    ctx.set_custom_status("waiting")?;
    ctx.wait_for_external_event::<()>("go").await?;
    Ok(())
}

#[test]
fn the_last_custom_status_of_a_turn_counts() {
    let script = Script::new(shows_status, ());
    assert_eq!(script.outcome().custom_status, Some(Payload::from_json("\"waiting\"").unwrap()));
    assert!(script.history().iter().all(|record| matches!(record.kind, EventKind::ExecutionStarted { .. })));
}

#[orchestrator]
async fn takes_a_number(_ctx: OrchestrationContext, n: u8) -> Result<u8, OrchestratorError> {
    Ok(n)
}

#[test]
fn numbers_of_the_random_source_are_fixed_for_ever() {
    #[orchestrator]
    async fn draws(ctx: OrchestrationContext) -> Result<(u64, u64, u64), OrchestratorError> {
        let mut rng = ctx.rng();
        let mut dice = ctx.rng_stream("dice");
        Ok((rng.next_u64(), rng.random_range(0..6), dice.next_u64()))
    }
    // Recorded once. A change of these numbers breaks every running instance that draws some.
    assert_eq!(
        Script::new(draws, ()).output(),
        Some(serde_json::json!([4_007_628_918_043_713_361_u64, 4, 13_446_330_355_595_539_133_u64]))
    );
    assert_eq!(Script::new(takes_a_number, 7).output(), Some(7.into()));
}

#[test]
fn random_helpers_stay_within_their_bounds() {
    #[orchestrator]
    async fn shuffles(ctx: OrchestrationContext) -> Result<(f64, u32, Vec<u32>), OrchestratorError> {
        let mut rng = ctx.rng();
        let mut cards: Vec<u32> = (0..52).collect();
        rng.shuffle(&mut cards);
        Ok((rng.next_f64(), rng.next_u32(), cards))
    }
    let output = Script::new(shuffles, ()).output().unwrap();
    let (fraction, _, mut cards): (f64, u32, Vec<u32>) = serde_json::from_value(output).unwrap();
    assert!((0.0..1.0).contains(&fraction));
    assert!(!cards.is_sorted());
    cards.sort_unstable();
    assert!(cards.into_iter().eq(0..52));
}
