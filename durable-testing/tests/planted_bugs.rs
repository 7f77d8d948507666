//! Mistakes that are planted, and what the checks of a world say about them: each with the line that leads to it.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::chaos;

/// What a test says when it fails.
#[track_caller]
fn complaint<T>(story: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(story)) else { panic!("the bug was not found") };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

#[track_caller]
fn assert_names(text: &str, line: u32) {
    let place = format!("durable-testing/tests/planted_bugs.rs:{line}:");
    assert!(text.contains(&place), "{place} is not named in:\n{text}");
}

#[activity]
async fn charge(amount: u64) -> u64 {
    amount
}

#[activity]
async fn audit(amount: u64) -> u64 {
    amount
}

const OF_THE_MAP: u32 = line!() + 6;

#[orchestrator]
async fn in_the_order_of_a_map(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let amounts: HashMap<u64, u64> = (0..20).map(|n| (n, n)).collect();
    for amount in amounts.into_values() {
        ctx.call_activity(charge, amount).await?;
    }
    Ok(())
}

#[test]
fn the_order_of_a_hash_map() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(in_the_order_of_a_map).activity(charge).build();
        world.start_as("m-1", in_the_order_of_a_map, ()).run_until_complete()
    });
    assert_names(&text, OF_THE_MAP);
    assert!(text.contains("of 'm-1' (in_the_order_of_a_map) "), "{text}");
    assert!(text.contains("deterministic") && text.contains("activity 'charge' with "), "{text}");
    let complaints = text.lines().filter(|line| line.starts_with("turn ")).count();
    assert_eq!(complaints, 1, "the first complaint only, and how many others there are:\n{text}");
    assert!(text.contains("more of 'm-1': `all_complaints` of the builder shows them"), "{text}");
}

#[test]
fn all_complaints_can_be_seen() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(in_the_order_of_a_map).activity(charge).all_complaints().build();
        world.start(in_the_order_of_a_map, ()).run_until_complete()
    });
    assert!(text.lines().filter(|line| line.starts_with("turn ")).count() > 1, "{text}");
    assert!(!text.contains("all_complaints"), "{text}");
}

#[activity]
async fn charge_all(amounts: Vec<u64>) -> usize {
    amounts.len()
}

const OF_THREE_KEYS: u32 = line!() + 5;

#[orchestrator]
async fn in_the_order_of_three_keys(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let keys = || HashMap::from([(1, ()), (2, ()), (3, ())]).into_keys().collect::<Vec<u64>>();
    ctx.call_activity(charge_all, keys()).await?;
    Ok(keys())
}

/// Three keys come in 6 orders, the most frequent one in a quarter of all runs. A turn that is run again 4 times has the same order in
/// all 5 runs once in 640 tests, and both turns have once in 400,000. With a single run for each turn it would be once in 30.
#[test]
fn the_order_of_three_keys() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(in_the_order_of_three_keys).activity(charge_all).build();
        world.start(in_the_order_of_three_keys, ()).run_until_complete()
    });
    assert_names(&text, OF_THREE_KEYS);
    assert!(text.contains("deterministic"), "{text}");
}

const OF_THE_CLOCK: u32 = line!() + 6;

#[orchestrator]
#[nondeterministic(reason = "this is the bug")]
async fn by_the_clock(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let now = u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos());
    ctx.call_activity(charge, now).await
}

#[test]
fn the_clock_of_the_system_in_a_call() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(by_the_clock).activity(charge).build();
        world.start(by_the_clock, ()).run_until_complete()
    });
    assert_names(&text, OF_THE_CLOCK);
    assert!(text.contains("first:  it called activity 'charge' with "), "{text}");
}

const BEFORE_THE_END: u32 = line!() + 5;

#[orchestrator]
#[nondeterministic(reason = "this is the bug")]
async fn ends_with_the_clock(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(60)).await;
    Ok(u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()))
}

#[test]
fn the_clock_of_the_system_in_an_output() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(ends_with_the_clock).build();
        world.start(ends_with_the_clock, ()).run_until_complete()
    });
    assert_names(&text, BEFORE_THE_END);
    assert!(text.contains("first:  it completed with "), "{text}");
}

static RUNS: AtomicU64 = AtomicU64::new(0);

const FIRST_ORDER: u32 = line!() + 5;

#[orchestrator]
async fn in_turns(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    if RUNS.fetch_add(1, Ordering::Relaxed).is_multiple_of(2) {
        ctx.call_activity(charge, 1).await?;
        ctx.call_activity(audit, 1).await?;
    } else {
        ctx.call_activity(audit, 1).await?;
        ctx.call_activity(charge, 1).await?;
    }
    Ok(())
}

#[test]
fn a_changed_order_of_calls() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(in_turns).activity(charge).activity(audit).build();
        world.start(in_turns, ()).run_until_complete()
    });
    assert_names(&text, FIRST_ORDER);
    assert_names(&text, FIRST_ORDER + 3);
    assert!(text.contains("first:  it called activity 'charge'"), "{text}");
    assert!(text.contains("second: it called activity 'audit'"), "{text}");
}

/// The same orchestrator after a deployment.
mod deployed {
    use super::*;

    pub(super) const NEW_ORDER: u32 = line!() + 4;

    #[orchestrator(name = "pays")]
    pub(super) async fn pays(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.call_activity(audit, 1).await?;
        ctx.wait_for_external_event::<()>("Go").await?;
        ctx.call_activity(charge, 1).await
    }
}

const OLD_ORDER: u32 = line!() + 4;

#[orchestrator]
async fn pays(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, 1).await?;
    ctx.wait_for_external_event::<()>("Go").await?;
    ctx.call_activity(audit, 1).await
}

#[test]
fn another_order_after_a_deployment() {
    let world = World::builder().orchestrator(pays).activity(charge).build();
    let run = world.start(pays, ());
    let world = World::builder().orchestrator(deployed::pays).activity(charge).activity(audit);
    let error = world.from_history(&run.history()).unwrap_err();
    let fault = std::error::Error::source(&error).unwrap().to_string();
    assert_names(&fault, OLD_ORDER);
    assert_names(&fault, deployed::NEW_ORDER);
}

const THE_WAIT: u32 = line!() + 5;

/// Waits for one of two events, and forgets the other.
#[orchestrator]
async fn loses_an_event(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (first, second) = (ctx.wait_for_external_event::<u64>("Paid"), ctx.wait_for_external_event::<u64>("Canceled"));
    let paid = match select(first, second).await {
        Either::Left((paid, _)) | Either::Right((paid, _)) => paid?,
    };
    ctx.create_timer(Duration::from_secs(60)).await;
    Ok(paid)
}

#[test]
fn an_event_that_gets_lost() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(loses_an_event).build();
        let run = world.start_as("o-1", loses_an_event, ());
        run.raise("Paid", &5);
        run.raise("Canceled", &6);
        assert_eq!(run.output(), 5);
    });
    assert_names(&text, THE_WAIT);
    assert!(text.contains("'o-1' (loses_an_event) has completed and never read event 'Canceled'"), "{text}");
}

/// A bank that counts what it has paid out.
#[derive(Clone, Default)]
struct Bank(Arc<Mutex<u64>>);

#[activity]
async fn pay_out(State(bank): State<Bank>, amount: u64) -> u64 {
    *bank.0.lock().unwrap() += amount;
    amount
}

const THE_PAYMENT: u32 = line!() + 4;

#[orchestrator]
async fn pays_out(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(pay_out, 5).await
}

#[test]
fn an_activity_that_must_not_run_twice() {
    let text = complaint(|| {
        chaos::every_crash_point(|world| {
            let bank = Bank::default();
            let world = world.orchestrator(pays_out).activity(pay_out).state(bank.clone()).build();
            let output = world.start(pays_out, ()).output();
            (output, *bank.0.lock().unwrap())
        })
    });
    assert_names(&text, THE_PAYMENT);
    assert!(text.contains("undisturbed: (5, 5)") && text.contains("disturbed:   (5, 10)"), "{text}");
    assert!(text.contains("activity 'pay_out' was handed out again: delivery 2"), "{text}");
}

const DROPPED: u32 = line!() + 4;

#[orchestrator]
async fn forgets_to_await(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    drop(ctx.call_activity(charge, 5));
    Ok(())
}

#[test]
fn a_call_that_nobody_awaits() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(forgets_to_await).activity(charge).build();
        world.start(forgets_to_await, ()).run_until_complete()
    });
    assert_names(&text, DROPPED);
}
