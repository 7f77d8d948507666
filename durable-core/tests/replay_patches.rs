//! Traps of patches: new branches in code that has running instances.

use durable_core::prelude::*;
use durable_testing::Script;

#[activity]
async fn old(n: u64) -> u64 {
    n
}

#[activity]
async fn new(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn before(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(old, 1).await
}

#[orchestrator]
async fn patched(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let first = if ctx.patched("p") { ctx.call_activity(new, 1).await? } else { ctx.call_activity(old, 1).await? };
    // The first answer stands, so no second marker.
    Ok(first + u64::from(ctx.patched("p")))
}

#[orchestrator]
async fn deprecated(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.deprecate_patch("p");
    Ok(ctx.call_activity(new, 1).await? + 1)
}

#[orchestrator]
async fn gone(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    Ok(ctx.call_activity(new, 1).await? + 1)
}

#[orchestrator]
async fn wrong_branch(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    if ctx.patched("p") { ctx.call_activity(old, 1).await } else { ctx.call_activity(new, 1).await }
}

#[test]
fn a_new_instance_takes_the_new_branch_and_says_so_once() {
    let mut script = Script::new(patched, ());
    assert_eq!(script.calls(), ["#0 new 1"]);
    assert_eq!(script.outcome().markers, ["patch:p"]);
    script.complete(0, 10);
    assert!(script.outcome().markers.is_empty());
    assert_eq!(script.output(), Some(11.into()));
    assert_eq!(script.batched().unwrap().completion.unwrap().1, *script.completion().unwrap());
}

#[test]
fn an_old_instance_stays_on_the_old_branch() {
    let mut script = Script::new(before, ());
    script.complete(0, 10);
    // The old code returns 10 and so does the patched code in a replay: the marker is missing in the history.
    assert_eq!(script.replay_with(patched), Ok(()));
    let fault = script.replay_with(wrong_branch).unwrap_err().to_string();
    assert!(fault.contains("the history has activity 'old'"), "{fault}");
}

#[test]
fn a_patch_that_is_taken_out_must_be_deprecated_first() {
    let mut script = Script::new(patched, ());
    script.complete(0, 10);
    assert_eq!(script.replay_with(deprecated), Ok(()));
    let fault = script.replay_with(gone).unwrap_err().to_string();
    assert!(fault.contains("the history has the use of patch 'p', but the code now does nothing"), "{fault}");
    // Nobody who runs the code without it has a marker.
    let mut script = Script::new(deprecated, ());
    script.complete(0, 10);
    assert_eq!(script.replay_with(gone), Ok(()));
}
