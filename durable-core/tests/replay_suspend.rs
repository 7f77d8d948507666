//! Traps of instances that are paused and resumed.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::history::{Completion, EventKind};
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{completed, fired, raised, resumed, suspended, terminated};
use std::time::Duration;

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn steps(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let go: String = ctx.wait_for_external_event("go").await?;
    let early = ctx.now();
    ctx.call_activity(work, 1).await?;
    let second: String = ctx.wait_for_external_event("go").await?;
    let _ = ctx.patched("decided");
    Ok(format!("{go}{second}{}", ctx.now() > early))
}

/// Trap 13: what was decided before the pause comes out with the turn that ends it.
#[test]
fn a_pause_parks_actions_of_its_batch() {
    let mut script = Script::new(steps, ());
    script.turn([raised("go", "a"), suspended(), raised("go", "b")]);
    assert!(script.outcome().is_suspended);
    assert_eq!(script.calls(), Vec::<String>::new());
    script.resume();
    assert!(!script.outcome().is_suspended);
    assert_eq!(script.calls(), ["#0 work 1"]);
    script.complete(0, 1);
    assert_eq!(script.output(), Some("abtrue".into()));
    assert!(script.batched().unwrap().completion.is_some());
}

/// Trap 13: the buffer drains in order, and what comes behind the end of the pause waits for its turn.
#[test]
fn a_resumed_instance_gets_everything_in_order() {
    let mut script = Script::new(steps, ());
    script.suspend();
    script.turn([raised("go", "a")]);
    script.suspend();
    assert!(script.outcome().is_suspended, "a second pause changes nothing");
    script.turn([resumed(), raised("go", "b")]);
    assert_eq!(script.calls(), ["#0 work 1"]);
    script.resume();
    script.complete(0, 1);
    assert_eq!(script.output(), Some("abtrue".into()));
}

#[orchestrator]
async fn race(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let call = ctx.call_activity(work, 1);
    let timer = ctx.create_timer(Duration::from_secs(1));
    Ok(match select(call, timer).await {
        Either::Left(_) => "call".to_owned(),
        Either::Right(_) => "timer".to_owned(),
    })
}

#[test]
fn a_race_during_a_pause_is_won_by_what_came_first() {
    let mut script = Script::new(race, ());
    script.turn([suspended(), fired(1), completed(0, 1)]);
    assert_eq!(script.completion(), None);
    script.resume();
    assert_eq!(script.output(), Some("timer".into()));
    assert_eq!(script.calls(), ["-#0"]);
}

#[orchestrator]
async fn drops_and_decides(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    let call = ctx.call_activity(work, 1);
    ctx.wait_for_external_event::<()>("go").await?;
    drop(call);
    let answer = ctx.patched("new");
    ctx.wait_for_external_event::<()>("go").await?;
    Ok(answer && ctx.patched("new"))
}

/// A decision stands in the turn that took it, so that a replay finds it there; cancellations wait like actions.
#[test]
fn a_decision_before_the_pause_is_recorded_at_once() {
    let mut script = Script::new(drops_and_decides, ());
    script.turn([raised("go", ()), suspended()]);
    assert_eq!(script.calls(), Vec::<String>::new());
    assert_eq!(script.outcome().markers, ["patch:new"]);
    script.resume();
    assert_eq!(script.calls(), ["-#0"]);
    script.raise("go", ());
    assert_eq!(script.output(), Some(true.into()));
}

#[test]
fn an_end_before_the_pause_stands() {
    let mut script = Script::new(race, ());
    script.turn([completed(0, 1), suspended()]);
    assert_eq!(script.output(), Some("call".into()));
    assert!(!script.outcome().is_suspended);
}

/// Trap 6.
#[test]
fn a_paused_instance_can_be_terminated() {
    let mut script = Script::new(race, ());
    script.suspend();
    script.turn([completed(0, 1), terminated("enough")]);
    assert_eq!(script.completion(), Some(&Completion::Terminated(Some("enough".to_owned()))));
    assert!(script.outcome().drop_tasks && !script.outcome().is_suspended);
}

#[orchestrator]
async fn must_not_run(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    panic!("the code ran")
}

/// Trap 6: an instance that is terminated before its first turn does nothing.
#[test]
fn a_start_and_an_end_in_one_turn_start_no_code() {
    let mut header = script_header();
    header.generation = 0;
    let events = [raised("go", 1), terminated("no")];
    let script = Script::with_header(must_not_run, header, durable_core::model::Limits::default(), &events).unwrap();
    assert_eq!(script.completion(), Some(&Completion::Terminated(Some("no".to_owned()))));
}

fn script_header() -> durable_core::history::ExecutionHeader {
    use durable_core::model::{ExecutionId, FunctionName, Payload};
    durable_core::history::ExecutionHeader::new(
        InstanceId::new("script").unwrap(),
        ExecutionId::from_stored("0123456789abcdef0123456789abcdef"),
        FunctionName::new("o").unwrap(),
        Payload::null(),
    )
}

#[test]
fn what_is_meant_for_children_goes_on_to_them() {
    let mut script = Script::new(race, ());
    let pause = EventKind::ExecutionSuspended { reason: None, recursive: true };
    let go_on = EventKind::ExecutionResumed { reason: None, recursive: true };
    let end = EventKind::ExecutionTerminated { reason: None, recursive: true };
    script.turn([suspended(), pause.clone()]);
    assert_eq!(script.outcome().for_children, [pause]);
    script.turn([go_on.clone(), end.clone()]);
    assert_eq!(script.outcome().for_children, [go_on, end]);
}
