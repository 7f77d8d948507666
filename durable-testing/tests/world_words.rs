//! What a world says about mistakes that tests make often: the line of the code that waits, has called or forgot, and what to do.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use durable_core::model::EventName;
use durable_core::prelude::*;
use durable_testing::World;

/// What a test says when it fails.
#[track_caller]
fn complaint<T>(story: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(story)) else { panic!("nothing was found") };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

#[track_caller]
fn assert_says(text: &str, what: &str, line: u32) {
    let place = format!("durable-testing/tests/world_words.rs:{line}:");
    assert!(text.lines().any(|said| said.contains(what)), "{what} is not said in:\n{text}");
    assert!(text.contains(&place), "{place} is not named in:\n{text}");
}

#[activity]
async fn charge(amount: u64) -> u64 {
    amount
}

const OF_THE_WAIT: u32 = line!() + 4;

#[orchestrator]
async fn misspells(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ctx.wait_for_external_event("Aproval").await
}

#[test]
fn a_deadlock_names_the_line_that_waits_and_the_events_that_nobody_has_read() {
    let world = World::builder().orchestrator(misspells).without_leak_checks().build();
    let run = world.start_as("m-1", misspells, ());
    run.raise("Approval", &true);
    run.raise("Other", &1);
    let text = complaint(|| run.output());
    assert_says(&text, "'m-1' (misspells, Running) waits for event 'Aproval' (awaited at ", OF_THE_WAIT);
    assert!(text.contains("; it has not read: 'Approval', 'Other'"), "{text}");
    let deadlock = world.waits();
    assert_eq!(deadlock.stuck()[0].unread, ["Approval", "Other"].map(|name| EventName::new(name).unwrap()));
    // Inside of the world it says the same.
    let text = complaint(|| {
        let client = world.client();
        world.run_inside(client.wait(run.id(), None))
    });
    assert_says(&text, "it has not read: 'Approval', 'Other'", OF_THE_WAIT);
}

#[test]
fn a_deadlock_lists_all_instances() {
    let world = World::builder().orchestrator(misspells).build();
    let runs: Vec<_> = (0..101).map(|n| world.start_as(&format!("m-{n}"), misspells, ())).collect();
    let deadlock = runs[0].run_until_complete().unwrap_err().to_string();
    let missing: Vec<_> = runs.iter().filter(|run| !deadlock.contains(&format!("'{}' (misspells", run.id()))).collect();
    assert!(missing.is_empty(), "{missing:?} are missing in:\n{deadlock}");
    assert_eq!(world.waits().stuck().len(), 101);
}

#[orchestrator]
async fn pays(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(60)).await;
    ctx.call_activity(charge, amount).await
}

const OF_THE_CHILD: u32 = line!() + 5;

/// Expects that its child may fail.
#[orchestrator]
async fn pays_or_not(ctx: OrchestrationContext, amount: u64) -> u64 {
    ctx.call_sub_orchestrator(pays, amount).await.unwrap_or(0)
}

#[test]
fn a_child_that_the_world_does_not_know_fails_the_test() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(pays_or_not).build();
        world.start_as("p-1", pays_or_not, 5).output()
    });
    assert_says(&text, "sub-orchestrator 'pays' was called by 'p-1' (pays_or_not) with 5", OF_THE_CHILD);
    assert!(text.contains("the world does not know it") && text.contains("`mocked_orchestrator`"), "{text}");
    let world = World::builder().orchestrator(pays_or_not).without_missing_child_checks().build();
    assert_eq!(world.start(pays_or_not, 5).output(), 0, "as in production");
}

#[test]
fn a_mocked_child_without_an_answer_fails_the_test() {
    for is_mocked in [true, false] {
        let text = complaint(|| {
            let world = World::builder().orchestrator(pays_or_not).mocked_orchestrator(pays).build();
            if is_mocked {
                let _without_answers = world.mock_orchestrator(pays);
            }
            world.start_as("p-2", pays_or_not, 6).output()
        });
        assert_says(&text, "orchestrator 'pays' was called by 'p-2' with 6, and the world has no answer", OF_THE_CHILD);
    }
}

#[test]
fn a_mock_of_an_orchestrator_that_the_world_does_not_know_is_refused() {
    let text = complaint(|| World::builder().orchestrator(pays_or_not).build().mock_orchestrator(pays));
    assert!(text.contains("the world does not know orchestrator 'pays'"), "{text}");
    assert!(text.contains("`.mocked_orchestrator(pays)`"), "{text}");
    // One that is added in any way can be mocked.
    let world = World::builder().orchestrator(pays_or_not).hub(|hub| hub.orchestrator(pays)).build();
    world.mock_orchestrator(pays).returns(4);
    assert_eq!(world.start(pays_or_not, 5).output(), 4);
}

const OF_THE_CHARGE: u32 = line!() + 5;

#[orchestrator]
async fn charges(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(60)).await;
    ctx.call_activity(charge, 5).await
}

#[test]
fn an_activity_that_is_not_mocked_has_the_line_of_its_call() {
    let text = complaint(|| World::builder().orchestrator(charges).build().start_as("c-1", charges, ()).output());
    assert_says(&text, "activity 'charge' was called by 'c-1' with 5, and the world has no answer", OF_THE_CHARGE);
}

/// What is not durable, and never there.
async fn elsewhere() {
    std::future::pending::<()>().await;
}

const BEFORE_IT: u32 = line!() + 5;

#[orchestrator]
async fn in_the_same_turn(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(60)).await;
    let call = ctx.call_activity(charge, 5);
    elsewhere().await;
    call.await
}

const A_TURN_BEFORE_IT: u32 = line!() + 4;

#[orchestrator]
async fn in_a_later_turn(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.call_activity(charge, 5).await?;
    elsewhere().await;
    Ok(())
}

const WAITED_BEFORE_IT: u32 = line!() + 4;

#[orchestrator]
async fn after_a_wait(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("Go").await?;
    elsewhere().await;
    Ok(())
}

#[test]
fn a_foreign_await_has_the_line_of_the_last_call_before_it() {
    let world = || {
        let world = World::builder().orchestrator(in_the_same_turn).orchestrator(in_a_later_turn);
        world.orchestrator(after_a_wait).activity(charge).build()
    };
    let last = "its last durable call was made at ";
    let text = complaint(|| world().start(in_the_same_turn, ()).output());
    assert_says(&text, last, BEFORE_IT);
    let text = complaint(|| world().start(in_a_later_turn, ()).output());
    assert_says(&text, last, A_TURN_BEFORE_IT);
    let text = complaint(|| world().start(after_a_wait, ()).raise("Go", &()));
    assert_says(&text, last, WAITED_BEFORE_IT);
}

/// What an orchestrator does with a call that it makes first.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
enum Then {
    /// Ends while it runs.
    Ends,
    /// Ends when it is done.
    EndsLater,
    Continues,
    Fails,
    /// Drops it, and does something else.
    Cancels,
    Detaches,
    Awaits,
    /// Looks at it once, and gives it up.
    GivesUp,
}

const THE_CALL: u32 = line!() + 4;

#[orchestrator]
async fn calls(ctx: OrchestrationContext, then: Then) -> Result<Next<u64, Then>, OrchestratorError> {
    let call = ctx.call_activity(charge, 5).retry(RetryPolicy::fixed(2, Duration::from_secs(1)));
    ctx.create_timer(Duration::from_secs(if then == Then::EndsLater { 100 } else { 1 })).await;
    match then {
        Then::Ends | Then::EndsLater => {}
        Then::Continues => return Ok(Next::continue_as_new(Then::Awaits)),
        Then::Fails => return Err(std::io::Error::other("it fails").into()),
        Then::Cancels => {
            drop(call);
            ctx.create_timer(Duration::from_secs(1)).await;
        }
        Then::Detaches => call.detach(),
        Then::Awaits => return Ok(Next::Complete(call.await?)),
        Then::GivesUp => drop(select(call, ctx.create_timer(Duration::from_secs(1))).await),
    }
    Ok(Next::Complete(0))
}

const THE_CHILD: u32 = line!() + 4;

#[orchestrator]
async fn calls_a_child(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let child = ctx.call_sub_orchestrator(misspells, ());
    ctx.create_timer(Duration::from_secs(1)).await;
    drop(child);
    Ok(())
}

#[test]
fn a_call_that_was_never_awaited_is_told_at_the_end() {
    let story = |then| {
        let world = World::builder().orchestrator(calls).build();
        world.mock(charge).returns(5).takes(Duration::from_secs(10));
        let _ = world.start_as("c-1", calls, then).run_until_complete();
    };
    for then in [Then::Ends, Then::EndsLater, Then::Continues] {
        let text = complaint(|| story(then));
        assert_says(&text, "'c-1' (calls) forgot to await activity 'charge', called at ", THE_CALL);
        assert_eq!(text.matches("forgot to await").count(), 1, "{text}");
    }
    [Then::Fails, Then::Cancels, Then::Detaches, Then::Awaits, Then::GivesUp].into_iter().for_each(story);
    let text = complaint(|| {
        let world = World::builder().orchestrator(calls_a_child).orchestrator(misspells).build();
        let _ = world.start_as("c-1", calls_a_child, ()).run_until_complete();
    });
    assert_says(&text, "'c-1' (calls_a_child) forgot to await sub-orchestrator 'misspells', called at ", THE_CHILD);
}
