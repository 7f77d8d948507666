//! A world for tests: instances that are alive when it ends are replayed cold as well, however many turns they have had.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Instance, WorldBuilder};

const HOUR: Duration = Duration::from_secs(3_600);

#[orchestrator]
async fn ticks(ctx: OrchestrationContext, bug: (u64, String)) -> Result<(), OrchestratorError> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    let (turn, what) = bug;
    for hour in 1.. {
        let more = if hour == turn { RUNS.fetch_add(1, Ordering::Relaxed) + 1 } else { 0 };
        if what == "status" {
            ctx.set_custom_status(&(hour, more))?;
        }
        let nap = if what == "timer" { HOUR + Duration::from_secs(more) } else { HOUR };
        ctx.create_timer(nap).await;
    }
    Ok(())
}

/// Begins anew after three hours, with a number that no replay gives again in the last of them.
#[orchestrator]
async fn starts_over(ctx: OrchestrationContext, round: u64) -> Result<Next<(), u64>, OrchestratorError> {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    ctx.create_timer(HOUR).await;
    if round == 40 {
        ctx.set_custom_status(&RUNS.fetch_add(1, Ordering::Relaxed))?;
    }
    ctx.create_timer(HOUR).await;
    Ok(Next::continue_as_new(round + 1))
}

fn run(hours: u32, turn: u64, what: &str, builder: WorldBuilder) -> (World, Instance<()>) {
    let world = builder.orchestrator(ticks).build();
    let run = world.start_as("t", ticks, (turn, what.to_owned()));
    world.advance(hours * HOUR);
    (world, run)
}

/// What a world says that fails the test.
fn complaint(story: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(story)).expect_err("the test passes");
    panic.downcast_ref::<String>().cloned().unwrap()
}

#[test]
fn the_last_turn_of_a_live_instance_is_replayed_when_the_world_is_dropped() {
    let text = complaint(|| drop(run(69, 70, "status", World::builder())));
    assert!(text.starts_with("at the end of the world, turn 70 of 't' (ticks) is not deterministic"), "{text}");
    assert!(text.contains("first:  its custom status was [70,"), "{text}");
    // Nothing is said of a turn that every check has left out, and that has left nothing behind.
    drop(run(71, 70, "status", World::builder()));
    drop(run(69, 70, "status", World::builder().without_replay_checks()));
}

#[test]
fn a_changed_call_of_a_live_instance_is_found_when_the_world_is_dropped() {
    for hours in [70, 100] {
        let text = complaint(|| drop(run(hours, 70, "timer", World::builder())));
        assert!(text.starts_with("at the end of the world, turn "), "{text}");
        assert!(text.contains("of 't' (ticks) cannot be replayed: ") && text.contains("world_live.rs"), "{text}");
    }
}

#[test]
fn finish_replays_live_instances_before_it_tells_of_them() {
    let finished = complaint(|| {
        let (world, instance) = run(69, 70, "status", World::builder());
        drop(instance);
        world.finish();
    });
    assert!(finished.starts_with("at the end of the world, turn 70 of 't'"), "{finished}");
}

#[test]
fn the_first_turns_of_every_execution_are_replayed() {
    let world = World::builder().orchestrator(starts_over).build();
    let _run = world.start_as("s", starts_over, 1);
    let text = complaint(|| world.advance(100 * HOUR));
    assert!(text.contains("of 's' (starts_over) is not deterministic"), "{text}");
}
