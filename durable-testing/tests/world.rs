//! A world for tests: stories, time, deadlocks.

use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

#[activity]
async fn slow(hours: u64) -> u64 {
    tokio::time::sleep(hours as u32 * HOUR).await;
    hours
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(3, Duration::from_secs(60));
    ctx.call_activity(charge, amount).retry(policy).await
}

#[orchestrator]
async fn year_of_hours(ctx: OrchestrationContext) -> Result<u32, OrchestratorError> {
    for _ in 0..365 * 24 {
        ctx.create_timer(HOUR).await;
    }
    Ok(365 * 24)
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("Go").await
}

#[orchestrator]
async fn both(ctx: OrchestrationContext) -> Result<(u64, u64), OrchestratorError> {
    let (a, b) = join(ctx.call_activity(slow, 5), ctx.call_activity(charge, 1)).await;
    Ok((a?, b?))
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_sub_orchestrator(pay, amount).await
}

#[test]
fn a_year_of_hourly_timers_passes_at_once() {
    let world = World::builder().orchestrator(year_of_hours).build();
    let run = world.start(year_of_hours, ());
    assert_eq!(run.output(), 365 * 24);
    assert_eq!(world.elapsed(), 365 * DAY);
}

#[test]
fn time_passes_only_on_request() {
    let world = World::builder().orchestrator(year_of_hours).build();
    let run = world.start(year_of_hours, ());
    world.run_until_blocked();
    assert_eq!(world.elapsed(), Duration::ZERO);
    world.advance(90 * 60 * SECOND);
    assert_eq!(world.elapsed(), 90 * 60 * SECOND);
    let fired = |run: &durable_testing::world::Instance<u32>| {
        run.history().iter().filter(|event| event.kind.name() == "TimerFired").count()
    };
    assert_eq!(fired(&run), 1);
    assert_eq!(world.advance_to_next(), Some(30 * 60 * SECOND));
    assert_eq!(fired(&run), 2);
    assert!(run.run_for(400 * DAY));
    assert_eq!(world.advance_to_next(), None);
    assert_eq!(world.elapsed(), 365 * DAY, "nothing was due, so no time has passed");
}

#[test]
fn mocks_answer_in_turn_and_tell_what_reached_them() {
    let world = World::builder().orchestrator(pay).build();
    let charges = world.mock(charge);
    charges.fails_times(2, "the bank is closed").returns(7);
    assert_eq!(world.start(pay, 5).output(), 7);
    let calls = charges.calls();
    assert_eq!(calls.iter().map(|call| call.attempt).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(calls[2].at.saturating_since(calls[0].at), 120 * SECOND);
    charges.takes(HOUR);
    assert_eq!(world.start(pay, 6).output(), 7);
    assert_eq!(world.elapsed(), 120 * SECOND + HOUR);
}

#[test]
#[should_panic(expected = "activity 'charge' was called by 'p-1' with 5, and the world has no answer")]
fn a_call_that_nobody_foresaw_fails_the_test() {
    let world = World::builder().orchestrator(pay).build();
    let _ = world.start_as("p-1", pay, 5);
}

#[test]
fn real_activities_sleep_in_virtual_time() {
    let world = World::builder().orchestrator(both).activity(slow).activity(charge).build();
    assert_eq!(world.start(both, ()).output(), (5, 1));
    assert_eq!(world.elapsed(), 5 * HOUR);
}

#[test]
fn a_deadlock_says_what_is_waited_for() {
    let world = World::builder().orchestrator(waits).orchestrator(pay).orchestrator(parent).build();
    world.mock(charge).hangs();
    let run = world.start_as("w-1", waits, ());
    let _ = world.start_as("p-1", parent, 1);
    let deadlock = run.run_until_complete().unwrap_err().to_string();
    assert!(deadlock.contains("'w-1' (waits, Running) waits for event 'Go' (awaited at "), "{deadlock}");
    assert!(deadlock.contains("waits for activity 'charge'"), "{deadlock}");
    assert!(deadlock.contains("(parent, Running) waits for child "), "{deadlock}");
    run.raise("go", &5);
    assert_eq!(run.output(), 5);
}

#[test]
fn sub_orchestrations_are_mocked_as_well() {
    let world = World::builder().orchestrator(parent).mocked_orchestrator(pay).build();
    let pays = world.mock_orchestrator(pay);
    pays.returns(3).takes(DAY);
    assert_eq!(world.start(parent, 2).output(), 3);
    assert_eq!(world.elapsed(), DAY);
    pays.assert_called_once_with(2);
}

#[tokio::test]
async fn it_works_inside_another_runtime() {
    let world = World::builder().orchestrator(pay).build();
    world.mock(charge).returns(4);
    let client = world.client();
    let run = client.start(pay, 1).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 4);
    assert_eq!(world.start(pay, 2).output(), 4);
}

#[orchestrator]
async fn unordered(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let amounts: std::collections::HashMap<u64, u64> = (0..20).map(|n| (n, n)).collect();
    for amount in amounts.into_values() {
        ctx.call_activity(charge, amount).await?;
    }
    Ok(())
}

#[test]
#[should_panic(expected = "durable-testing/tests/world.rs:")]
fn the_order_of_a_hash_map_is_found() {
    let world = World::builder().orchestrator(unordered).activity(charge).build();
    let _ = world.start(unordered, ()).run_until_complete();
}

#[test]
fn worlds_do_not_share_anything() {
    let threads: Vec<_> = (0..8)
        .map(|n| {
            std::thread::spawn(move || {
                let world = World::builder().orchestrator(pay).build();
                world.mock(charge).returns(n);
                assert_eq!(world.start_as("same", pay, n).output(), n);
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
}

#[orchestrator]
#[nondeterministic(reason = "this is the bug")]
async fn by_the_clock(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.subsec_nanos();
    ctx.call_activity(charge, u64::from(now)).await?;
    Ok(())
}

#[test]
#[should_panic(expected = "durable-testing/tests/world.rs:")]
fn the_time_of_the_system_is_found_with_the_line_of_the_call() {
    let world = World::builder().orchestrator(by_the_clock).activity(charge).build();
    let _ = world.start(by_the_clock, ()).run_until_complete();
}

static RUNS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

#[orchestrator]
async fn in_turns(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let is_first = RUNS.fetch_add(1, std::sync::atomic::Ordering::Relaxed).is_multiple_of(2);
    let (first, second) = if is_first { (1, 2) } else { (2, 1) };
    ctx.call_activity(charge, first).await?;
    ctx.call_activity(charge, second).await?;
    Ok(())
}

#[test]
#[should_panic(expected = "deterministic")]
fn a_changed_order_of_calls_is_found() {
    let world = World::builder().orchestrator(in_turns).activity(charge).build();
    let _ = world.start(in_turns, ()).run_until_complete();
}

#[test]
fn an_activity_that_moves_its_own_world_fails_instead_of_waiting_for_ever() {
    let world = World::builder().orchestrator(pay).without_leak_checks().build();
    let inner = world.clone();
    world.mock(charge).answers(move |amount, _| {
        inner.advance(HOUR);
        Ok::<_, ActivityError>(amount)
    });
    let failure = format!("{:#}", world.start(pay, 1).failure());
    assert!(failure.contains("a world cannot be moved from within itself"), "{failure}");
}
