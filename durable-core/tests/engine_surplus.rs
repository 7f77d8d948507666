//! Rule 3: calls run where they were scheduled while there is room; the surplus waits in the store without a runner.

use std::collections::HashSet;
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Mock, WorldBuilder, chaos, on_every_store};
use serde_json::Value;

const MINUTE: Duration = Duration::from_secs(60);

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity::<_, &str>("work", i)).collect::<Vec<_>>();
    Ok(try_join_all(calls).await?.into_iter().map(|n: u64| n).sum())
}

#[orchestrator]
async fn mixed(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let calls = (0..n).map(|i| ctx.call_activity::<_, &str>("long", i)).collect::<Vec<_>>();
    Ok(try_join_all(calls).await?.into_iter().map(|n: u64| n).sum())
}

/// A world with room for so many calls and with so many runners, and its work, which gives its input.
fn begin(world: WorldBuilder, local: usize, runners: usize) -> (World, Mock<Value, Value>) {
    let world = world.orchestrator(fan_out).orchestrator(mixed);
    let world = world.hub(move |hub| hub.local_activities(local).max_concurrent_activities(runners)).build();
    let work = world.mock_named("work");
    work.answers(|n, _| Ok::<_, ActivityError>(n));
    (world, work)
}

/// A fan-out that is far larger than the room in this process runs to its end, each call once.
#[test]
fn a_surplus_of_calls_is_taken_from_the_store_when_there_is_room() {
    on_every_store(|world| {
        let (world, work) = begin(world, 16, 8);
        let run = world.start(fan_out, 500);
        assert_eq!(run.output(), (0..500).sum::<u64>());
        work.assert_called(500);
        let inputs: HashSet<_> = work.inputs().iter().map(ToString::to_string).collect();
        assert_eq!(inputs.len(), 500, "a call ran twice");
        assert_eq!(run.history().iter().filter(|event| event.kind.name() == "TaskCompleted").count(), 500);
    });
}

/// Claims of the surplus survive commits that fail, answers that get lost, and the end of the process.
#[test]
fn a_claim_of_the_surplus_can_fail() {
    let story = |world: WorldBuilder| {
        let (world, work) = begin(world, 8, 4);
        work.takes(MINUTE);
        world.start(fan_out, 20).output()
    };
    assert!(chaos::every_crash_point(story).commits > 5);
    chaos::every_crash_point(|world| story(world.sqlite()));
}

/// One instance gets at most a quarter of the room when it makes its calls, and the store's calls only what the runners
/// can take, so that a giant leaves room to the others.
#[test]
fn a_giant_does_not_take_all_the_room() {
    let (world, work) = begin(World::builder(), 16, 8);
    work.takes(MINUTE);
    let giant = world.start_as("giant", fan_out, 100);
    work.assert_called(8);
    let small = world.start_as("small", fan_out, 1);
    // All runners hold the giant's calls; the small instance's call is among the next ones.
    world.advance(MINUTE);
    work.assert_called(16);
    let of_the_small = work.calls().iter().position(|call| call.instance == *small.id());
    assert!(of_the_small.is_some_and(|at| at < 15), "{of_the_small:?}");
    assert_eq!(giant.output(), (0..100).sum::<u64>());
    assert_eq!(small.output(), 0);
}

/// Calls that run for long do not hold up those that wait in the store, as long as there are free runners.
#[test]
fn long_calls_do_not_hold_up_the_surplus() {
    let (world, _work) = begin(World::builder(), 4, 8);
    let long = world.mock_named("long");
    long.hangs();
    let _long = world.start(mixed, 7);
    long.assert_called(7);
    assert_eq!(world.start(fan_out, 50).output(), (0..50).sum::<u64>());
    assert_eq!(world.elapsed(), Duration::ZERO);
}

/// Room that becomes free because calls are cancelled is used too.
#[test]
fn cancelled_calls_make_room_for_the_surplus() {
    let (world, work) = begin(World::builder(), 4, 2);
    work.takes(MINUTE);
    let blocked: Vec<_> = (0..4).map(|_| world.start(fan_out, 1)).collect();
    work.assert_called(2);
    let last = world.start_as("last", fan_out, 1);
    blocked.iter().for_each(|run| run.terminate("in the way"));
    // A terminated call that is running ends when it likes; its runner is free then.
    work.assert_called(2);
    assert_eq!(last.output(), 0);
    assert_eq!(world.elapsed(), 2 * MINUTE);
    work.assert_called(3);
}

/// Instances take turns at the runners: a single call does not wait behind a fan-out.
#[test]
fn runners_go_round_between_instances() {
    let (world, work) = begin(World::builder(), 16_384, 1);
    work.takes(MINUTE);
    let _giant = world.start_as("giant", fan_out, 200);
    let small = world.start_as("small", fan_out, 1);
    world.advance(2 * MINUTE);
    work.assert_called(3);
    assert!(work.calls().iter().any(|call| call.instance == *small.id()), "{:?}", work.calls());
}
