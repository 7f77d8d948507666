//! Instances that went out of memory come back when something happens to them.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::Write;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, chaos, on_every_store};
use parking_lot::Mutex;

const HOUR: Duration = Duration::from_secs(3600);

#[orchestrator]
async fn naps(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(HOUR).await;
    let more: u64 = ctx.wait_for_external_event("more").await?;
    Ok(n + more)
}

fn cold(world: WorldBuilder) -> World {
    world.orchestrator(naps).hub(|hub| hub.warm_instances(1)).build()
}

/// In a store of one process an instance stays ours while it is not in memory, so bringing it back writes nothing.
#[test]
fn an_own_instance_comes_back_without_a_write() {
    on_every_store(|world| {
        let world = cold(world);
        let runs: Vec<_> = (0..3).map(|n| world.start(naps, n)).collect();
        let claims = Arc::new(Mutex::new(0));
        let count = Arc::clone(&claims);
        world.faults().refuse(move |write| {
            *count.lock() += u32::from(matches!(write, Write::Claim { .. }));
            false
        });
        world.advance(HOUR);
        runs.iter().for_each(|run| run.raise("more", &10_u64));
        assert!(runs.iter().map(|run| run.output()).eq(10..13));
        assert_eq!(*claims.lock(), 0);
    });
}

/// What another process had is taken over, by a write that counts.
#[test]
fn an_instance_of_an_earlier_process_is_claimed() {
    on_every_store(|world| {
        let world = cold(world);
        let runs: Vec<_> = (0..3).map(|n| world.start(naps, n)).collect();
        world.crash();
        world.advance(HOUR);
        runs.iter().for_each(|run| run.raise("more", &10_u64));
        assert!(runs.iter().map(|run| run.output()).eq(10..13));
    });
}

/// A history that is too long to come with its row is asked for.
#[test]
fn a_long_history_comes_back_too() {
    #[orchestrator]
    async fn sums(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
        let mut sum = 0;
        for _ in 0..n {
            sum += ctx.wait_for_external_event::<u64>("n").await?;
        }
        Ok(sum)
    }
    on_every_store(|world| {
        let world = world.orchestrator(sums).orchestrator(naps).hub(|hub| hub.warm_instances(1)).build();
        let run = world.start(sums, 101);
        (0..100_u64).for_each(|n| run.raise("n", &n));
        let _other = world.start(naps, 0);
        run.raise("n", &50);
        assert_eq!(run.output(), 5_000);
    });
}

/// More than are read at once, all due at the same time.
#[test]
fn all_of_many_come_back() {
    const MANY: u64 = 1_500;
    #[orchestrator]
    async fn waits_until(ctx: OrchestrationContext, time: Timestamp) -> Result<(), OrchestratorError> {
        ctx.create_timer_at(time).await;
        Ok(())
    }
    let world = World::builder().orchestrator(waits_until).hub(|hub| hub.warm_instances(1)).build();
    let due = world.now().saturating_add(HOUR);
    let client = world.client();
    let runs = world.run_inside(join_all((0..MANY).map(|_| client.start(waits_until, due).into_future())));
    let runs: Vec<_> = runs.into_iter().map(|run| world.instance::<()>(run.unwrap().id().as_str())).collect();
    world.advance(HOUR);
    runs.iter().for_each(|run| run.output());
}

/// The commit that takes them over fails, or its answer gets lost, or the process dies at it.
#[test]
fn a_claim_can_fail() {
    let story = |world: WorldBuilder| {
        let world = cold(world);
        let run = world.start(naps, 1);
        world.restart();
        world.advance(HOUR);
        run.raise("more", &10_u64);
        run.output()
    };
    chaos::every_crash_point(story);
    chaos::every_crash_point(|world| story(world.sqlite()));
}
