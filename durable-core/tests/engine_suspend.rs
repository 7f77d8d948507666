//! Pauses, in a world that lives and dies.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, chaos, on_every_store};
use futures_util::FutureExt;

const MINUTE: Duration = Duration::from_secs(60);

#[orchestrator]
async fn three(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let mut all = vec![];
    for _ in 0..3 {
        all.push(ctx.wait_for_external_event("item").await?);
    }
    Ok(all)
}

#[test]
fn what_comes_in_a_pause_is_there_after_it_whatever_happens() {
    let story = |world: WorldBuilder| {
        let world = world.orchestrator(three).hub(|hub| hub.warm_instances(1)).build();
        let run = world.start_as("root", three, ());
        run.raise("item", &1);
        run.suspend("pause");
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.raise("item", &2);
        run.suspend("pause");
        run.raise("item", &3);
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.resume("go on");
        run.output()
    };
    assert_eq!(on_every_store(story), [1, 2, 3]);
    chaos::every_crash_point(story);
    chaos::every_crash_point(|world| story(world.sqlite()));
}

/// Notes the order in which things happen to it.
#[orchestrator]
async fn races(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    let call = ctx.call_activity::<_, &str>("slow", 1_u64);
    let timer = ctx.create_timer(MINUTE);
    let event = ctx.wait_for_external_event::<u64>("go");
    let (result, (), event) = join!(call, timer, event);
    let (result, event): (u64, u64) = (result?, event?);
    Ok(format!("{result} {event}"))
}

/// A result, a timer and an event that come in a pause are kept, also when the process ends in it.
#[test]
fn a_pause_keeps_everything_over_a_crash() {
    for crashes in [false, true] {
        on_every_store(|world| {
            let world = world.orchestrator(races).hub(|hub| hub.warm_instances(1)).build();
            let slow = world.mock_named("slow");
            slow.returns(1.into()).takes(MINUTE / 2);
            let run = world.start_as("r", races, ());
            run.suspend("pause");
            assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
            run.raise("go", &2);
            world.advance(2 * MINUTE);
            let calls = world.client().activities(run.id()).now_or_never().unwrap().unwrap().unwrap();
            assert!(calls.is_empty(), "{calls:?}");
            if crashes {
                world.crash();
            }
            assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
            run.resume("go on");
            assert_eq!(run.output(), "1 2");
            assert_eq!(world.elapsed(), 2 * MINUTE);
            slow.assert_called(1);
        });
    }
}

#[test]
fn a_paused_instance_can_be_terminated() {
    on_every_store(|world| {
        let world = world.orchestrator(three).build();
        let run = world.start_as("t", three, ());
        run.suspend("pause");
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.raise("item", &1);
        run.terminate("enough");
        let status = run.status();
        assert_eq!(
            (status.runtime_status, status.termination_reason.as_deref()),
            (RuntimeStatus::Terminated, Some("enough"))
        );
        let client = world.client();
        let late = client.resume(run.id(), "too late").into_future().now_or_never().unwrap();
        assert!(late.unwrap_err().is_finished());
    });
}

/// A pause of an instance whose code is missing lasts when the code comes back.
#[test]
fn a_stalled_instance_can_be_paused() {
    on_every_store(|world| {
        let is_missing = Arc::new(AtomicBool::new(false));
        let missing = Arc::clone(&is_missing);
        let deploy = move |hub: durable_core::hub::TaskHubBuilder| match missing.load(Ordering::SeqCst) {
            true => hub.orchestrator(races),
            false => hub.orchestrator(three),
        };
        let world: World = world.hub(deploy).allows_stalls().build();
        let run = world.start_as("t", three, ());
        is_missing.store(true, Ordering::SeqCst);
        world.crash();
        run.raise("item", &1);
        assert!(run.status().stalled.is_some());
        run.suspend("pause");
        run.raise("item", &2);
        is_missing.store(false, Ordering::SeqCst);
        world.crash();
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.raise("item", &3);
        assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
        run.resume("go on");
        assert_eq!(run.output(), [1, 2, 3]);
    });
}
