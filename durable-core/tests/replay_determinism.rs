//! Trap 12: every difference between a history and the code is found, and reported with both sides.

use durable_core::prelude::*;
use durable_core::replay::ReplayFault;
use durable_testing::Script;
use durable_testing::events::completed;
use std::time::Duration;

#[activity]
async fn work(n: u64) -> u64 {
    n
}
#[activity]
async fn other(n: u64) -> u64 {
    n
}

#[orchestrator(name = "o")]
async fn original(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let a = ctx.call_activity(work, 1).await?;
    let b = ctx.call_activity(work, 2);
    let timer = ctx.create_timer(Duration::from_secs(60));
    let b = b.await?;
    timer.await;
    Ok(a + b)
}

fn recorded() -> Script {
    let mut script = Script::new(original, ());
    script.complete(0, 1);
    script.complete(1, 2);
    script
}

fn difference(fault: Result<(), ReplayFault>) -> String {
    let fault = fault.expect_err("the replay found no difference");
    assert!(fault.is_non_determinism(), "{fault}");
    fault.to_string()
}

#[test]
fn unchanged_code_replays() {
    assert_eq!(recorded().replay_with(original), Ok(()));
}

macro_rules! changed {
    ($test:ident, [$($part:literal),+], |$ctx:ident| $body:block) => {
        #[test]
        fn $test() {
            #[orchestrator(name = "o")]
            async fn changed($ctx: OrchestrationContext) -> Result<u64, OrchestratorError> $body
            let text = difference(recorded().replay_with(changed));
            for part in [$($part),+] {
                assert!(text.contains(part), "{part:?} is not in: {text}");
            }
        }
    };
}

changed!(missing, ["at #1 of turn 2", "the history has activity 'work' with input 2 (at ", "does nothing"], |ctx| {
    ctx.call_activity(work, 1).await?;
    ctx.wait_for_external_event::<u64>("never").await
});
changed!(extra, ["at #3 of turn 2", "the history has nothing", "does activity 'other' with input 9 (at "], |ctx| {
    ctx.call_activity(work, 1).await?;
    let b = ctx.call_activity(work, 2);
    let _timer = ctx.create_timer(Duration::from_secs(60));
    let _extra = ctx.call_activity(other, 9);
    b.await
});
changed!(
    renamed,
    ["at #0 of turn 1", "has activity 'work' with input 1", "does activity 'other' with input 1"],
    |ctx| { ctx.call_activity(other, 1).await }
);
changed!(other_kind, ["at #0 of turn 1", "has activity 'work'", "does a timer for "], |ctx| {
    ctx.create_timer(Duration::from_secs(1)).await;
    Ok(1)
});
changed!(other_input, ["at #0 of turn 1", "with input 1 (", "with input 7 ("], |ctx| {
    ctx.call_activity(work, 7).await
});
changed!(other_timer, ["at #2 of turn 2", "has a timer for ", "does a timer for "], |ctx| {
    ctx.call_activity(work, 1).await?;
    let b = ctx.call_activity(work, 2);
    ctx.create_timer(Duration::from_secs(61)).await;
    b.await
});
changed!(early_return, ["of turn 2", "does the end of the orchestration as Completed"], |ctx| {
    ctx.call_activity(work, 1).await
});
changed!(dropped_handle, ["at #1 of turn 2", "the cancellation of #1"], |ctx| {
    ctx.call_activity(work, 1).await?;
    drop(ctx.call_activity(work, 2));
    ctx.create_timer(Duration::from_secs(60)).await;
    Ok(1)
});

/// A `HashMap` has another order in every process, and is the same value all the same.
#[test]
fn the_key_order_of_an_input_is_no_difference() {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TURNED: AtomicBool = AtomicBool::new(false);

    #[orchestrator]
    async fn ordered(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let text = if TURNED.load(Ordering::Relaxed) { r#"{"b":2,"a":1}"# } else { r#"{"a":1,"b":2}"# };
        let input: Box<serde_json::value::RawValue> = serde_json::from_str(text)?;
        ctx.call_activity("work", input).await
    }
    let script = Script::new(ordered, ());
    TURNED.store(true, Ordering::Relaxed);
    assert_eq!(script.replay_with(ordered), Ok(()));
}

#[test]
fn a_completion_of_a_call_that_was_never_made_is_found() {
    let mut script = Script::new(original, ());
    let fault = script.try_turn([completed(5, 1)]);
    assert!(fault.unwrap_err().to_string().contains("at #5"));
}

/// The failing run emits nothing else: the executor is gone, and the outcome that ends the instance has no actions.
#[test]
fn the_end_after_a_fault_has_no_other_action() {
    use durable_core::history::Completion;
    use durable_core::history::ExecutionHeader;
    use durable_core::model::{ExecutionId, FailureDetails, FunctionName, Payload};
    use durable_core::replay::Executor;

    let name = FunctionName::new("o").unwrap();
    let header = ExecutionHeader::new(InstanceId::new("i").unwrap(), ExecutionId::generate(), name, Payload::null());
    let outcome = Executor::without_code(header.into())
        .end_without_code(Completion::Failed(FailureDetails::new("NonDeterminism", "x")));
    assert!(outcome.actions.is_empty() && outcome.canceled.is_empty() && outcome.drop_tasks);
}
