//! Traps of orchestrations that continue as new, and of what limits a history.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::BoxFuture;
use durable_core::failure::IntoFailure;
use durable_core::history::{Action, Completion, EventKind, ExecutionHeader};
use durable_core::model::FailureDetails;
use durable_core::model::{ExecutionId, FunctionName, Limit, Limits, Payload};
use durable_core::orchestration::OrchestratorDefinition;
use durable_core::prelude::*;
use durable_testing::Script;
use durable_testing::events::{failed, raised, suspended, terminated};
use std::time::Duration;

/// Stands for the function that the annotation would be on.
fn item<D: OrchestratorDefinition>(_: OrchestrationContext, _: D::Input) -> D {
    unreachable!("only its type is used")
}

/// An orchestrator that may start over, spelled out.
macro_rules! looping {
    ($name:ident, $body:ident, $input:ty, $output:ty) => {
        #[expect(non_camel_case_types, reason = "named after its function")]
        struct $name;
        impl OrchestratorDefinition for $name {
            const NAME: &'static str = stringify!($name);
            type Input = $input;
            type Output = $output;
            fn invoke(
                ctx: OrchestrationContext,
                input: $input,
            ) -> BoxFuture<'static, Result<Next<$output, $input>, FailureDetails>> {
                Box::pin(async move { $body(ctx, input).await.map_err(IntoFailure::into_failure) })
            }
        }
    };
}

#[activity]
async fn work(n: u64) -> u64 {
    n
}

looping!(collects_item, collects, Vec<String>, Vec<String>);

async fn collects(
    ctx: OrchestrationContext,
    seen: Vec<String>,
) -> Result<Next<Vec<String>, Vec<String>>, OrchestratorError> {
    let _open = ctx.call_activity(work, 1);
    let next: String = ctx.wait_for_external_event("item").await?;
    if next == "end" {
        return Ok(Next::Complete(seen));
    }
    let discard = next == "discard";
    let next = ContinueAsNew::new(seen.into_iter().chain([next]).collect());
    Ok(if discard { next.discard_unread_events().into() } else { next.version("2.0")?.into() })
}

fn carried(script: &Script) -> Vec<EventKind> {
    let Some(Completion::ContinuedAsNew(next)) = script.completion() else { panic!("{:?}", script.completion()) };
    next.carried.clone()
}

/// Traps 5 and 19: unread events go over in the order of their arrival, before those that came behind the end; open calls
/// are cancelled.
#[test]
fn unread_events_go_over_in_order() {
    let mut script = Script::new(item::<collects_item>, vec![]);
    script.raise("other", 1);
    script.raise("OTHER", 2);
    script.turn([raised("x", 3), raised("item", "a"), raised("item", "b"), suspended(), raised("other", 4)]);
    assert_eq!(
        carried(&script),
        [raised("other", 1), raised("OTHER", 2), raised("x", 3), raised("item", "b"), suspended(), raised("other", 4)]
    );
    assert_eq!(script.calls(), ["-#0"]);
    let Some(Completion::ContinuedAsNew(next)) = script.completion() else { panic!() };
    assert_eq!(next.version.as_ref().unwrap().as_str(), "2.0");
    assert!(!script.outcome().is_suspended, "the pause goes over");
}

#[test]
fn the_next_execution_finds_them() {
    let mut script = Script::new(item::<collects_item>, vec![]);
    script.turn([raised("item", "a"), raised("item", "b"), raised("item", "end")]);
    let second = script.next_execution();
    let third = second.next_execution();
    assert_eq!(third.output(), Some(serde_json::json!(["a", "b"])));
}

#[test]
fn unread_events_can_be_left_behind() {
    let mut script = Script::new(item::<collects_item>, vec![]);
    script.turn([raised("other", 1), raised("item", "discard"), raised("item", "b"), suspended()]);
    assert_eq!(carried(&script), [suspended()]);
}

/// Trap 6.
#[test]
fn a_termination_in_the_same_batch_wins() {
    let mut script = Script::new(item::<collects_item>, vec![]);
    script.turn([raised("item", "a"), raised("item", "b"), terminated("stop")]);
    assert_eq!(script.completion(), Some(&Completion::Terminated(Some("stop".to_owned()))));
    assert!(script.outcome().drop_tasks);
}

looping!(guids_item, guids, u64, String);

async fn guids(ctx: OrchestrationContext, left: u64) -> Result<Next<String, u64>, OrchestratorError> {
    let call = ctx.call_sub_orchestrator("child", left);
    let id = call.instance_id().unwrap().to_string();
    let _: u64 = call.await?;
    if left == 0 { Ok(Next::Complete(id)) } else { Ok(Next::continue_as_new(left - 1)) }
}

/// Trap 8.
#[test]
fn derived_ids_differ_between_executions() {
    let mut first = Script::new(item::<guids_item>, 1);
    assert_eq!(first.calls(), ["#0 child child script:01234567:0000 1"]);
    first.complete_child(0, 1);
    let second = first.next_execution();
    assert_eq!(second.calls(), ["#0 child child script:00000000:0000 0"]);
}

fn limited(limits: Limits) -> (ExecutionHeader, Limits) {
    let execution = ExecutionId::from_stored("0123456789abcdef0123456789abcdef");
    let instance = InstanceId::new("script").unwrap();
    (ExecutionHeader::new(instance, execution, FunctionName::new("o").unwrap(), Payload::null()), limits)
}

looping!(until_suggested_item, until_suggested, (), ());

async fn until_suggested(ctx: OrchestrationContext, (): ()) -> Result<Next<(), ()>, OrchestratorError> {
    while !ctx.continue_as_new_suggested() {
        ctx.create_timer(Duration::from_secs(1)).await;
    }
    ctx.create_timer(Duration::from_secs(1)).await;
    assert!(ctx.continue_as_new_suggested());
    Ok(Next::continue_as_new(()))
}

#[test]
fn a_long_history_suggests_to_start_over() {
    let mut limits = Limits::default();
    limits.history_events = Limit::new(4, 100);
    let (header, limits) = limited(limits);
    let mut script = Script::with_header(item::<until_suggested_item>, header, limits, &[]).unwrap();
    script.fire(0);
    assert!(script.outcome().markers.is_empty(), "2 events stood before this turn");
    script.fire(1);
    assert_eq!(script.outcome().markers, ["continue-as-new-suggested"]);
    script.fire(2);
    assert!(script.outcome().markers.is_empty());
    assert!(matches!(script.completion(), Some(Completion::ContinuedAsNew(_))));
    // Another limit by the time of the replay changes nothing.
    let (header, limits) = limited(Limits::default());
    let other = Script::with_header(item::<until_suggested_item>, header, limits, &[]).unwrap();
    assert_eq!(other.replay_history(script.history()), Ok(()));
}

#[orchestrator]
async fn endless(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    loop {
        ctx.create_timer(Duration::from_secs(1)).await;
    }
}

#[test]
fn too_long_a_history_ends_the_instance() {
    let mut limits = Limits::default();
    limits.history_events = Limit::new(4, 4);
    let (header, limits) = limited(limits);
    let mut script = Script::with_header(endless, header, limits, &[]).unwrap();
    script.fire(0);
    script.fire(1);
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("{:?}", script.completion()) };
    assert_eq!(failure.error_type, "LimitExceeded");
    assert_eq!(failure.error_message, "the history of instance 'script' has 6 events, more than the limit of 4");
    assert!(script.outcome().actions.is_empty() && script.outcome().drop_tasks);
    assert_eq!(script.replay_history(script.history()), Ok(()));
}

#[orchestrator]
async fn large(ctx: OrchestrationContext) -> Result<Vec<String>, OrchestratorError> {
    let text = "x".repeat(600);
    let mut errors = vec![];
    let mut note = |error: OrchestratorError| errors.push(format!("{}: {error}", error.details().error_type));
    note(ctx.call_activity::<_, _>("a", text.clone()).await.map(|(): ()| ()).unwrap_err());
    note(ctx.call_sub_orchestrator("c", text.clone()).await.map(|(): ()| ()).unwrap_err());
    note(ctx.start_orchestrator("s", text.clone()).unwrap_err());
    note(ctx.send_event(&"x".parse()?, "e", &text).unwrap_err());
    note(ctx.set_custom_status(&text).unwrap_err());
    Ok(errors)
}

#[test]
fn what_is_too_large_is_refused_where_it_enters() {
    let mut limits = Limits::default();
    limits.payload = Limit::new(500, 500);
    limits.custom_status = Limit::new(20, 20);
    let (header, limits) = limited(limits);
    let script = Script::with_header(large, header, limits, &[]).unwrap();
    let has = |what: &str, limit: u32| format!("LimitExceeded: {what} has 602 bytes, more than the limit of {limit}");
    let expected = [
        has("the input of activity 'a'", 500),
        has("the input of orchestration 'c'", 500),
        has("the input of orchestration 's'", 500),
        has("the payload of event 'e'", 500),
        has("the custom status of instance 'script'", 20),
    ];
    assert_eq!(script.output(), Some(serde_json::json!(expected)));
    assert!(script.calls().is_empty());
}

#[orchestrator]
async fn many(ctx: OrchestrationContext) -> Result<usize, OrchestratorError> {
    let calls: Vec<_> = (0..5).map(|n| ctx.call_activity(work, n)).collect();
    let mut failures = 0;
    for call in calls.into_iter().rev() {
        match call.await {
            Err(error) if error.details().error_type == "LimitExceeded" => failures += 1,
            _ => break,
        }
    }
    Ok(failures)
}

#[orchestrator]
async fn many_timers(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let timers: Vec<_> = (0..5).map(|_| ctx.create_timer(Duration::from_secs(1))).collect();
    futures_util::future::join_all(timers).await;
    Ok(())
}

#[test]
fn a_turn_with_too_many_actions_refuses_the_rest() {
    let mut limits = Limits::default();
    limits.actions_per_turn = Limit::new(3, 3);
    let (header, limits) = limited(limits);
    let mut script = Script::with_header(many, header.clone(), limits, &[]).unwrap();
    assert_eq!(script.outcome().actions.len(), 3);
    assert!(matches!(script.outcome().actions[0].1, Action::ScheduleTask { .. }));
    script.complete(2, 1);
    assert_eq!(script.output(), Some(2.into()));
    let script = Script::with_header(many_timers, header, limits, &[]).unwrap();
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("{:?}", script.completion()) };
    assert_eq!(failure.error_message, "the turn has 4 actions, more than the limit of 3");
    assert!(script.outcome().actions.is_empty());
}

#[orchestrator]
async fn retried_apart(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(2, Duration::from_secs(1));
    let first = ctx.call_activity(work, 1).retry(policy.clone());
    ctx.wait_for_external_event::<()>("go").await?;
    let second = ctx.call_activity(work, 2).retry(policy);
    Ok(first.await? + second.await?)
}

#[test]
fn a_retry_without_room_for_its_timer_ends_the_instance() {
    let mut limits = Limits::default();
    limits.actions_per_turn = Limit::new(1, 1);
    let (header, limits) = limited(limits);
    let mut script = Script::with_header(retried_apart, header, limits, &[]).unwrap();
    script.raise("go", ());
    script.turn([failed(0, FailureDetails::new("a", "b")), failed(1, FailureDetails::new("a", "b"))]);
    let Some(Completion::Failed(failure)) = script.completion() else { panic!("{:?}", script.completion()) };
    assert_eq!(failure.error_type, "LimitExceeded");
}
