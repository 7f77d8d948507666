//! What a test says that fails: the line of the test, not one of this crate, and what leads to the mistake.

use std::cell::RefCell;
use std::env;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::Command;
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::mock_client::Instance;
use durable_testing::world::explore_with;
use durable_testing::{MockClient, Script, World};

thread_local! {
    /// Where this thread has panicked last.
    static PLACE: RefCell<String> = const { RefCell::new(String::new()) };
}

#[activity]
async fn charge(amount: u64) -> u64 {
    amount
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount).await
}

/// A later version of it.
#[orchestrator(name = "pay")]
async fn changed(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, amount + 1).await
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("Go").await
}

const OF_THE_WAIT: u32 = line!() + 4;

#[orchestrator]
async fn misspells(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ctx.wait_for_external_event("Aproval").timeout_or(Duration::from_secs(60), false).await
}

fn world() -> World {
    World::builder().orchestrator(pay).orchestrator(waits).activity(charge).without_leak_checks().build()
}

#[track_caller]
fn fails_here<T>(what: &str, story: impl FnOnce() -> T) {
    let here = Location::caller().file();
    assert!(catch_unwind(AssertUnwindSafe(story)).is_err(), "{what} does not fail");
    let place = PLACE.with_borrow(String::clone);
    assert!(place == here, "{what} fails at {place}");
}

#[test]
fn a_failure_is_in_the_line_of_the_test() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let place = info.location().map(Location::file).unwrap_or_default();
        PLACE.with_borrow_mut(|last| place.clone_into(last));
        hook(info);
    }));
    fails_here("an output that never comes", || world().start(waits, ()).output());
    fails_here("a failure that never comes", || world().start(waits, ()).failure());
    fails_here("a failure of what completes", || world().start(pay, 1).failure());
    fails_here("an output of another type", || {
        let world = world();
        let run = world.start_as("a", pay, 1);
        world.instance::<String>(run.id().as_str()).output()
    });
    fails_here("an event without a name", || world().start(waits, ()).raise("", &1));
    fails_here("an instance without an id", || world().instance::<u64>(""));
    fails_here("a start under an id that is taken", || {
        let world = world();
        let _first = world.start_as("a", waits, ());
        world.start_as("a", waits, ())
    });
    fails_here("a mock without a name", || world().mock_named(""));
    fails_here("an order of letters", || explore_with("a.b", World::builder, |_| ()));
    fails_here("a script that completes what was not called", || Script::new(pay, 1).complete(7, 1));
    fails_here("an instance without a name", || Instance::new("a", ""));
    fails_here("an expectation without an id", || drop(MockClient::new().expect_status("")));
}

/// Set for a process of its own, in which the test fails.
const FAILS: &str = "DURABLE_TEST_FAILS";

#[test]
fn a_test_that_fails_for_another_reason_tells_of_a_lost_event() {
    if env::var_os(FAILS).is_some() {
        let world = World::builder().orchestrator(misspells).build();
        let run = world.start_as("m-1", misspells, ());
        run.raise("Approval", &true);
        assert!(run.output(), "it is not approved");
        return;
    }
    let name = "a_test_that_fails_for_another_reason_tells_of_a_lost_event";
    let mut test = Command::new(env::current_exe().unwrap());
    let failed = test.args(["--exact", name, "--nocapture"]).env(FAILS, "1").output().unwrap();
    let text = String::from_utf8(failed.stderr).unwrap();
    assert!(!failed.status.success() && text.contains("it is not approved"), "{text}");
    assert!(text.contains("'m-1' (misspells) has completed and never read event 'Approval'"), "{text}");
    let place = format!("it has waited for 'Aproval' at durable-testing/tests/lines_of_failures.rs:{OF_THE_WAIT}:");
    assert!(text.contains(&place), "{place} is not named in:\n{text}");
}

#[test]
fn errors_are_texts_also_for_an_unwrap() {
    let world = world();
    let recorded = world.record(&world.start_as("a", pay, 1));
    let other = World::builder().orchestrator(changed).activity(charge);
    for text in [
        format!("{:?}", recorded.replay(changed).unwrap_err()),
        format!("{:?}", other.from_histories([recorded]).unwrap_err()),
    ] {
        assert!(
            text.contains("activity 'charge' with input 1") && text.contains("activity 'charge' with input 2"),
            "{text}"
        );
        assert!(!text.contains("Some("), "{text}");
    }
}
