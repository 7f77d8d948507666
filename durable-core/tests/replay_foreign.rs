//! Code that waits for something that is not durable is found in the turn where it does so.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::prelude::*;
use durable_core::replay::{ForeignAwait, ReplayFault};
use durable_testing::Script;
use std::sync::Mutex;
use std::task::{Poll, Waker};

#[activity]
async fn work(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn waits_for_nothing(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    std::future::pending::<()>().await;
    Ok(())
}

#[test]
fn pending_without_a_durable_task_fails_the_turn() {
    let fault = Script::try_new(waits_for_nothing, ()).unwrap_err();
    assert_eq!(fault, ReplayFault::ForeignAwait(ForeignAwait::NothingDurable));
}

#[orchestrator]
async fn waits_later(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity(work, 1).await?;
    std::future::pending::<()>().await;
    Ok(())
}

#[test]
fn the_fault_comes_in_the_turn_that_awaits() {
    // `try_turn` compares with a replay, which cannot run what faults.
    let script = Script::new(waits_later, ());
    let mut events: Vec<_> = script.history().iter().map(|r| r.kind.clone()).filter(|kind| !kind.is_action()).collect();
    events.push(durable_testing::events::completed(0, 1));
    assert_eq!(script.run_in_one_turn(events).unwrap_err(), ReplayFault::ForeignAwait(ForeignAwait::NothingDurable));
}

#[orchestrator]
async fn spins(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let _open = ctx.call_activity(work, 1);
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        Poll::<()>::Pending
    })
    .await;
    Ok(())
}

#[test]
fn code_that_only_wakes_itself_is_stopped() {
    assert_eq!(Script::try_new(spins, ()).unwrap_err(), ReplayFault::ForeignAwait(ForeignAwait::Spinning));
}

#[orchestrator]
async fn yields(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let mut left = 3;
    std::future::poll_fn(|cx| {
        left -= 1;
        cx.waker().wake_by_ref();
        if left == 0 { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    ctx.call_activity(work, 1).await
}

#[test]
fn a_future_that_yields_to_be_fair_is_no_fault() {
    let mut script = Script::new(yields, ());
    script.complete(0, 1);
    assert_eq!(script.output(), Some(1.into()));
}

static FOREIGN: Mutex<Option<Waker>> = Mutex::new(None);

#[orchestrator]
async fn woken_from_outside(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let call = ctx.call_activity(work, 1);
    let foreign = std::future::poll_fn(|cx| {
        *FOREIGN.lock().unwrap() = Some(cx.waker().clone());
        Poll::<()>::Pending
    });
    match select(call, foreign).await {
        Either::Left((n, _)) => n,
        Either::Right(_) => Ok(0),
    }
}

#[test]
fn a_wake_between_turns_is_foreign() {
    let mut script = Script::new(woken_from_outside, ());
    FOREIGN.lock().unwrap().take().unwrap().wake();
    let fault = script.try_turn([durable_testing::events::completed(0, 1)]).unwrap_err();
    assert_eq!(fault, ReplayFault::ForeignAwait(ForeignAwait::ForeignWake));
}

static LEAKED: Mutex<Option<OrchestrationContext>> = Mutex::new(None);

#[orchestrator]
async fn leaks_its_context(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    *LEAKED.lock().unwrap() = Some(ctx.clone());
    ctx.call_activity(work, 1).await
}

#[test]
fn a_call_from_outside_the_orchestrator_is_found() {
    let mut script = Script::new(leaks_its_context, ());
    let ctx = LEAKED.lock().unwrap().take().unwrap();
    drop(ctx.call_activity(work, 2));
    let fault = script.try_turn([durable_testing::events::completed(0, 1)]).unwrap_err();
    assert_eq!(fault, ReplayFault::ForeignAwait(ForeignAwait::StrayCall));
}

#[orchestrator]
async fn borrows_a_thread(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let other = ctx.clone();
    #[nondeterministic(reason = "the test shows that this is found at run time too")]
    std::thread::spawn(move || drop(other.call_activity(work, 2))).join().unwrap();
    ctx.call_activity(work, 1).await
}

#[test]
fn a_call_from_another_thread_during_the_turn_is_found() {
    assert_eq!(Script::try_new(borrows_a_thread, ()).unwrap_err(), ReplayFault::ForeignAwait(ForeignAwait::StrayCall));
}
