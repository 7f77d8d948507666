//! Finished instances go when they are old enough, and nothing else does.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::hub::TaskHubBuilder;
use durable_core::model::Retention;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::chaos::every_crash_point;
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[orchestrator]
async fn echo(_ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    Ok(text)
}

#[orchestrator]
async fn fails(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    Err(OrchestratorError::msg("no"))
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("Go").await
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let child = ctx.call_sub_orchestrator(echo, "hello".to_owned()).id("child");
    ctx.wait_for_external_event::<u64>("Go").await?;
    child.await
}

fn world(retention: Retention) -> World {
    let describe = move |hub: TaskHubBuilder| hub.retention(retention);
    World::builder()
        .orchestrator(echo)
        .orchestrator(fails)
        .orchestrator(waits)
        .orchestrator(parent)
        .hub(describe)
        .build()
}

/// The ids of all instances.
fn ids(world: &World) -> Vec<String> {
    let page = world.client().list(InstanceQuery::new()).now_or_never().unwrap().unwrap();
    page.instances.iter().map(|instance| instance.instance_id.to_string()).collect()
}

#[test]
fn each_status_has_its_age() {
    let world = world(Retention::new().completed(DAY).failed(10 * DAY));
    let _ = world.start_as("completed", echo, "x".to_owned());
    let _ = world.start_as("failed", fails, ());
    world.start_as("terminated", waits, ()).terminate("enough");
    world.advance(DAY - MINUTE);
    assert_eq!(ids(&world), ["completed", "failed", "terminated"]);
    world.advance(2 * MINUTE);
    assert_eq!(ids(&world), ["failed", "terminated"]);
    world.advance(9 * DAY - 2 * MINUTE);
    assert_eq!(ids(&world), ["failed", "terminated"]);
    world.advance(2 * MINUTE);
    assert_eq!(ids(&world), ["terminated"]);
    world.advance(400 * DAY);
    assert_eq!(ids(&world), ["terminated"]);
}

/// Neither what waits nor what is paused, however long it does.
#[test]
fn a_live_instance_is_never_too_old() {
    let world = world(Retention::all(HOUR));
    let waiting = world.start_as("waiting", waits, ());
    let paused = world.start_as("paused", waits, ());
    paused.suspend("holidays");
    world.advance(400 * DAY);
    assert_eq!(ids(&world), ["paused", "waiting"]);
    paused.resume("back again");
    waiting.raise("Go", &1);
    paused.raise("Go", &2);
    assert_eq!((waiting.output(), paused.output()), (1, 2));
    world.advance(2 * HOUR);
    assert!(ids(&world).is_empty());
}

/// The age counts from the end: a day later than the first one ended, the others are still there.
#[test]
fn the_age_counts_from_the_end() {
    let world = world(Retention::all(DAY));
    for hour in 0..30 {
        let _ = world.start_as(&format!("{hour:02}"), echo, "x".to_owned());
        world.advance(HOUR);
    }
    assert_eq!(ids(&world), (6..30).map(|hour| format!("{hour:02}")).collect::<Vec<_>>());
}

#[test]
fn a_child_that_is_gone_has_left_its_result() {
    let world = world(Retention::all(DAY));
    let run = world.start_as("parent", parent, ());
    run.suspend("later");
    assert_eq!(ids(&world), ["child", "parent"]);
    world.advance(2 * DAY);
    assert_eq!(ids(&world), ["parent"]);
    run.resume("now");
    run.raise("Go", &1);
    assert_eq!(run.output(), "hello");
}

#[test]
fn an_id_is_free_again() {
    let world = world(Retention::all(DAY));
    let _ = world.start_as("one", echo, "x".to_owned());
    world.advance(2 * DAY);
    let again = world.start_as("one", waits, ());
    world.advance(2 * DAY);
    again.raise("Go", &7);
    assert_eq!(again.output(), 7);
}

/// What a rewind has brought back to life is not removed, and its age counts anew when it ends again.
#[test]
fn a_rewind_takes_the_end_back() {
    let world = world(Retention::all(DAY));
    let run = world.start_as("failed", fails, ());
    world.advance(DAY - HOUR);
    run.rewind("again");
    world.advance(2 * HOUR);
    assert_eq!(ids(&world), ["failed"]);
    world.advance(DAY);
    assert!(ids(&world).is_empty());
}

#[test]
fn a_restart_finds_what_became_due_meanwhile() {
    let world = world(Retention::all(DAY));
    let _ = world.start_as("before", echo, "x".to_owned());
    world.advance(HOUR);
    world.crash();
    let _ = world.start_as("between", echo, "x".to_owned());
    world.advance(DAY - 30 * MINUTE);
    assert_eq!(ids(&world), ["between"]);
    world.restart();
    world.advance(HOUR);
    assert!(ids(&world).is_empty());
}

#[test]
fn removals_go_on_when_the_store_works_again() {
    let world = world(Retention::all(HOUR));
    let _ = world.start_as("old", echo, "x".to_owned());
    world.advance(HOUR - MINUTE);
    world.faults().fail_from(world.faults().commits() + 1);
    world.advance(HOUR);
    assert_eq!(ids(&world), ["old"]);
    world.faults().heal();
    world.advance(2 * MINUTE);
    assert!(ids(&world).is_empty());
}

/// Whatever goes wrong at a removal: what is old goes, and what is young stays.
#[test]
fn removals_survive_every_crash() {
    every_crash_point(|builder| {
        let world =
            builder.orchestrator(echo).orchestrator(waits).hub(|hub| hub.retention(Retention::all(DAY))).build();
        let _ = world.start_as("old", echo, "x".to_owned()).output();
        let _ = world.start_as("live", waits, ());
        world.advance(DAY - HOUR);
        let _ = world.start_as("young", echo, "x".to_owned()).output();
        world.advance(2 * HOUR);
        ids(&world)
    });
}

#[test]
fn many_go_in_small_transactions_and_one_line_of_the_log() {
    let describe = |hub: TaskHubBuilder| hub.retention(Retention::all(DAY));
    let world = World::builder().orchestrator(echo).orchestrator(fails).hub(describe).keeps_logs().build();
    for n in 0..450 {
        let _ = world.start_as(&n.to_string(), echo, "x".to_owned());
    }
    let _ = world.start_as("failed", fails, ());
    world.advance(DAY - MINUTE);
    let before = world.faults().commits();
    world.advance(2 * MINUTE);
    assert!(ids(&world).is_empty());
    assert_eq!(world.faults().commits() - before, 4, "200, 200, 50 and the failed one");
    let logs = world.logs();
    let told: Vec<_> = logs.iter().filter(|event| event.field("completed").is_some()).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((told[0].field("completed"), told[0].field("failed")), (Some("450"), Some("1")));
}

/// Neither an empty hub nor one that waits for the next removal asks the store for anything.
#[test]
fn an_idle_hub_leaves_its_store_alone() {
    let world = world(Retention::all(DAY).failed(MINUTE));
    let _ = world.start_as("waiting", waits, ());
    let at_rest = world.faults().commits();
    world.advance(400 * DAY);
    assert_eq!(world.faults().commits(), at_rest);
    let _ = world.start_as("short", echo, "x".to_owned());
    let ended = world.faults().commits();
    world.advance(DAY - MINUTE);
    assert_eq!(world.faults().commits(), ended);
    world.advance(400 * DAY);
    assert_eq!(world.faults().commits(), ended + 1);
}

/// Nobody could see the end of an instance that goes with it.
#[tokio::test]
async fn no_time_at_all_is_a_mistake() {
    let hub = TaskHub::builder().backend(Memory::new()).retention(Retention::new().failed(Duration::ZERO));
    let error = hub.start().await.unwrap_err();
    assert!(error.to_string().contains("keeps Failed instances for no time"), "{error}");
}
