//! Histories of all shapes replay: started over, with children, with retries, paused.

use super::*;

#[orchestrator]
async fn counter(ctx: OrchestrationContext, count: u64) -> Result<Next<u64, u64>, OrchestratorError> {
    ctx.call_activity(charge, count).await?;
    ctx.wait_for_external_event::<()>("More").await?;
    if count == 3 { Ok(Next::Complete(count)) } else { Ok(Next::continue_as_new(count + 1)) }
}

#[test]
fn an_instance_that_has_continued_as_new() {
    let world = World::builder().orchestrator(counter).activity(charge).build();
    let run = world.start(counter, 1);
    run.raise("More", &());
    let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
    assert_eq!((recorded.header().generation, recorded.header().input.as_str()), (1, "2"));
    recorded.replay(counter).unwrap();
    let report = recorded.replay(order).unwrap_err();
    assert_eq!((report.turn(), report.recorded().unwrap().what.as_str()), (Some(1), "activity 'charge' with input 2"));
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let (a, b) = join(ctx.call_sub_orchestrator(child, amount), ctx.call_sub_orchestrator(child, 13)).await;
    Ok(a? + b.unwrap_or(100))
}

#[orchestrator]
async fn child(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount).await
}

#[orchestrator]
async fn parent_of_one(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_sub_orchestrator(child, amount).await
}

#[test]
fn children() {
    let world = World::builder().orchestrator(parent).orchestrator(child).activity(charge).build();
    let run = world.start(parent, 5);
    assert_eq!(run.output(), 105);
    let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
    recorded.replay(parent).unwrap();
    let report = recorded.replay(parent_of_one).unwrap_err();
    assert!(report.recorded().unwrap().what.starts_with("child orchestration 'child' as instance"), "{report}");
}

async fn retried(ctx: &OrchestrationContext, times: u32) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(times, Duration::from_secs(60));
    ctx.call_activity(charge, 13).retry(policy).await
}

#[orchestrator]
async fn stubborn(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    retried(&ctx, 3).await
}

#[orchestrator]
async fn faint(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    retried(&ctx, 2).await
}

#[test]
fn retries() {
    let world = World::builder().orchestrator(stubborn).activity(charge).build();
    let run = world.start(stubborn, ());
    assert!(format!("{:#}", run.failure()).contains("no such luck"));
    let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
    recorded.replay(stubborn).unwrap();
    let report = recorded.replay(faint).unwrap_err();
    assert!(report.recorded().unwrap().what.starts_with("a timer for "), "{report}");
    assert!(report.produced().unwrap().what.contains("as Failed"), "{report}");
}

#[test]
fn pauses() {
    let world = World::builder().orchestrator(order).activity(reserve).activity(charge).build();
    let run = world.start(order, 5);
    run.suspend("lunch");
    run.raise("Paid", &());
    run.resume("back");
    assert_eq!(run.output(), 5);
    RecordedHistory::from_json(&world.record(&run).to_json()).unwrap().replay(order).unwrap();
}

#[test]
fn a_failure_that_was_taken_back() {
    let world = World::builder().orchestrator(pays_one).activity(charge).build();
    let charges = world.mock(charge);
    charges.fails_times(1, "the bank is closed").returns(1);
    let run = world.start(pays_one, 1);
    assert!(format!("{:#}", run.failure()).contains("closed"));
    run.rewind("the bank is open");
    assert_eq!(run.output(), 1);
    let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
    assert!(recorded.events().iter().any(|event| event.kind.name() == "ExecutionRewound"));
    recorded.replay(pays_one).unwrap();
}

#[orchestrator]
async fn pays_one(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount).await
}
