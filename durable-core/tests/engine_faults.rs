//! What is not allowed to stop a hub, or to cost an instance its life.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use durable_core::backend::Write;
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, chaos, on_every_store};

const MINUTE: Duration = Duration::from_secs(60);

#[activity]
async fn quick(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("go").await
}

/// A world whose next processes have other code as long as the flag is set.
fn deployments(
    world: WorldBuilder,
    right: fn(TaskHubBuilder) -> TaskHubBuilder,
    wrong: fn(TaskHubBuilder) -> TaskHubBuilder,
) -> (World, Arc<AtomicBool>) {
    let is_wrong = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&is_wrong);
    let deploy = move |hub| if flag.load(Ordering::SeqCst) { wrong(hub) } else { right(hub) };
    (world.hub(deploy).allows_stalls().without_leak_checks().build(), is_wrong)
}

/// A lock or a channel of the runtime between the orchestrator's own parts is fine, however often it is used in a turn or a
/// replay: tokio's budget for a task must not make it look pending.
#[test]
fn the_runtimes_budget_is_no_foreign_await() {
    #[orchestrator]
    async fn locks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let sum = tokio::sync::Mutex::new(0);
        for i in 0..200 {
            let n = ctx.call_activity(quick, i).await?;
            *sum.lock().await += n;
        }
        ctx.wait_for_external_event::<()>("go").await?;
        Ok(sum.into_inner())
    }
    let world = World::builder().orchestrator(locks).activity(quick).build();
    let run = world.start(locks, ());
    world.restart();
    run.raise("go", &());
    assert_eq!(run.output(), (0..200).sum::<u64>());
}

/// A call that never got a runner is not poison, however often its process dies over another one.
#[test]
fn only_what_ran_is_suspected_of_poison() {
    #[orchestrator]
    async fn two(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        let deadly = ctx.call_activity::<_, &str>("deadly", 1_u64);
        let innocent: u64 = ctx.call_activity("innocent", 2_u64).await?;
        drop::<durable_core::orchestration::ActivityCall<u64>>(deadly);
        Ok(innocent)
    }
    on_every_store(|world| {
        let world = world.orchestrator(two).hub(|hub| hub.max_concurrent_activities(1).max_deliveries(3));
        let world = world.without_leak_checks().build();
        let [deadly, innocent] = ["deadly", "innocent"].map(|name| world.mock_named(name));
        deadly.crashes();
        innocent.answers(|n, _| Ok::<_, ActivityError>(n));
        assert_eq!(world.start(two, ()).output(), 2);
        deadly.assert_called(3);
        innocent.assert_called(1);
    });
}

/// A stalled instance was tried, and its process lived: crashes for other reasons do not add up against it.
#[test]
fn a_stalled_instance_is_not_poison() {
    on_every_store(|world| {
        let right = |hub: TaskHubBuilder| hub.orchestrator(waits).max_deliveries(2);
        let wrong = |hub: TaskHubBuilder| hub.activity(quick).max_deliveries(2);
        let (world, is_wrong) = deployments(world, right, wrong);
        let run = world.start(waits, ());
        run.raise("noise", &());
        is_wrong.store(true, Ordering::SeqCst);
        for _ in 0..5 {
            world.crash();
            run.raise("noise", &());
            assert!(run.status().stalled.is_some());
        }
        is_wrong.store(false, Ordering::SeqCst);
        world.crash();
        run.raise("go", &());
        let () = run.output();
    });
}

/// The answer to the commit that stores a result of an instance that is not in memory gets lost.
#[test]
fn a_stored_result_is_not_lost_with_its_answer() {
    #[orchestrator]
    async fn calls(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.call_activity("slow", 7).await
    }
    let story = |world: WorldBuilder| {
        let world = world.orchestrator(calls).orchestrator(waits).hub(|hub| hub.warm_instances(1)).build();
        let slow = world.mock_named("slow");
        slow.returns(7.into()).takes(MINUTE);
        let run = world.start_as("c", calls, ());
        // Pushes it out of memory.
        let _other = world.start_as("w", waits, ());
        (world, run)
    };
    on_every_store(|world| {
        let (world, run) = story(world);
        world.faults().lose_answer(world.faults().commits() + 1);
        assert_eq!(run.output(), 7);
        assert_eq!(world.mock_calls().len(), 1);
    });
    chaos::every_crash_point(|world| story(world).1.output());
}

/// A drain keeps its time although every runner is taken.
#[test]
fn a_drain_does_not_wait_for_a_free_runner() {
    #[orchestrator]
    async fn endless(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        try_join_all((0..3).map(|i| ctx.call_activity::<_, &str>("endless", i))).await.map(drop::<Vec<()>>)
    }
    const DRAIN: Duration = Duration::from_secs(5);
    let world = World::builder().orchestrator(endless);
    let world = world.hub(|hub| hub.max_concurrent_activities(1).drain_timeout(DRAIN)).build();
    let calls = world.mock_named("endless");
    calls.hangs();
    let _run = world.start(endless, ());
    calls.assert_called(1);
    world.restart();
    assert_eq!(world.elapsed(), DRAIN);
}

/// A drain ends although the store takes nothing any more.
#[test]
fn a_drain_ends_with_a_broken_store() {
    const DRAIN: Duration = Duration::from_secs(5);
    on_every_store(|world| {
        let world = world.orchestrator(waits).hub(|hub| hub.drain_timeout(DRAIN)).build();
        world.faults().fail_from(world.faults().commits() + 2);
        let run = world.start(waits, ());
        world.restart();
        assert!(world.elapsed() <= 2 * DRAIN, "{:?}", world.elapsed());
        assert_eq!(run.runtime_status(), RuntimeStatus::Pending);
        world.faults().heal();
        run.raise("go", &());
        let () = run.output();
    });
}

/// An instance that cannot go on can be terminated although more lies before the termination than a turn takes.
#[test]
fn a_flooded_stalled_instance_can_be_terminated() {
    #[orchestrator]
    async fn changes(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.create_timer(Duration::from_secs(1_000)).await;
        Ok(())
    }
    #[orchestrator(name = "changes")]
    async fn changed(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.create_timer(Duration::from_secs(2_000)).await;
        Ok(())
    }
    on_every_store(|world| {
        let (world, is_wrong) = deployments(world, |hub| hub.orchestrator(changes), |hub| hub.orchestrator(changed));
        let run = world.start(changes, ());
        is_wrong.store(true, Ordering::SeqCst);
        world.restart();
        let client = world.client();
        world.run_inside(async {
            for _ in 0..1_001 {
                client.raise_event(run.id(), "noise", &()).await.unwrap();
            }
        });
        assert!(run.status().stalled.is_some());
        run.terminate("enough");
        assert_eq!(run.runtime_status(), RuntimeStatus::Terminated);
    });
}

/// A panic whose payload panics again when it is dropped fails its instance like any other.
#[tokio::test]
async fn a_panic_in_a_panics_payload_is_contained() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("dropped")
        }
    }
    #[activity]
    async fn explodes() {
        std::panic::panic_any(Bomb)
    }
    #[orchestrator]
    async fn explodes_too(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        let _failed = ctx.call_activity(explodes, ()).await;
        std::panic::panic_any(Bomb)
    }
    let world = World::builder().orchestrator(explodes_too).activity(explodes).build();
    let error = world.client().start(explodes_too, ()).await.unwrap().output().await.unwrap_err();
    assert!(error.is_panic());
}

/// A write that can never be made fails alone: what shares its commit is made, and the hub goes on.
#[test]
fn a_write_that_cannot_be_made_fails_alone() {
    on_every_store(|world| {
        let world = world.orchestrator(waits).build();
        world.faults().refuse(|write| matches!(write, Write::Create(new) if new.id == "damaged"));
        let client = world.client();
        let starts = ["a", "damaged", "b"].map(|id| client.start(waits, ()).id(id).into_future());
        let started: Vec<_> = world.run_inside(join_all(starts)).iter().map(Result::is_ok).collect();
        assert_eq!(started, [true, false, true]);
        for id in ["a", "b"] {
            let run = world.instance::<()>(id);
            run.raise("go", &());
            let () = run.output();
        }
    });
}

/// A refusal may pass: what must happen is tried again until it does, and everything else goes on meanwhile.
#[test]
fn what_the_store_refuses_for_a_while_happens_in_the_end() {
    #[orchestrator]
    async fn naps(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        ctx.create_timer(MINUTE).await;
        ctx.call_activity("slow", 7).await
    }
    on_every_store(|world| {
        let world = world.orchestrator(naps).orchestrator(waits).hub(|hub| hub.warm_instances(1)).build();
        let slow = world.mock_named("slow");
        slow.returns(7.into()).takes(MINUTE);
        let (run, other) = (world.start(naps, ()), world.start(waits, ()));
        let is_of_a_timer = |write: &Write| matches!(write, Write::Turn(turn) if !turn.timers_gone.is_empty());
        world.faults().refuse(is_of_a_timer);
        world.advance(2 * MINUTE);
        other.raise("go", &());
        let () = other.output();
        world.faults().heal();
        world.advance(MINUTE / 2);
        slow.assert_called(1);
        // Pushes it out of memory, so that the result goes through the store.
        let _other = world.start(waits, ());
        world.faults().refuse(|write| matches!(write, Write::Message(_) | Write::Claim { .. }));
        world.advance(2 * MINUTE);
        world.faults().heal();
        assert_eq!(run.output(), 7);
        slow.assert_called(1);
    });
}

/// What an earlier process has left is taken up although the store does not say at once what there is.
#[test]
fn a_failed_look_for_what_is_ready_is_repeated() {
    #[orchestrator]
    async fn answers(_ctx: OrchestrationContext) -> u64 {
        7
    }
    on_every_store(|world| {
        let world = world.orchestrator(answers).build();
        let store = world.faults();
        store.crash(store.commits() + 2);
        store.fail_looks(3);
        assert_eq!(world.start(answers, ()).output(), 7);
    });
}

/// A deployment that forgot an orchestrator repairs nothing and breaks nothing: its instances wait for their code, also those
/// that never had a turn.
#[test]
fn instances_wait_for_an_orchestrator_that_a_deployment_forgot() {
    on_every_store(|world| {
        let (world, is_wrong) = deployments(world, |hub| hub.orchestrator(waits), |hub| hub.activity(quick));
        let began = world.start(waits, ());
        let new = world.started(world.client().start(waits, ()).delay(MINUTE));
        is_wrong.store(true, Ordering::SeqCst);
        world.crash();
        world.advance(MINUTE);
        for run in [&began, &new] {
            run.raise("go", &());
            assert!(run.status().stalled.is_some(), "{}", run.id());
        }
        is_wrong.store(false, Ordering::SeqCst);
        world.restart();
        let [(), ()] = [began.output(), new.output()];
    });
}

/// A file is free again after a shutdown, although clients and handles of the old hub are still around.
///
/// These belong to a hub: those of a world find its next process.
#[cfg(feature = "sqlite")]
#[tokio::test]
async fn a_shutdown_gives_the_file_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    let open = || Sqlite::open(&path);
    let first = TaskHub::builder().backend(open().unwrap()).orchestrator(waits).start().await.unwrap();
    let old = first.client().start(waits, ()).id("w").await.unwrap();
    assert!(open().unwrap_err().is_in_use());
    first.shutdown().await.unwrap();
    let second = TaskHub::builder().backend(open().unwrap()).orchestrator(waits).start().await.unwrap();
    assert!(old.status().await.unwrap_err().is_shut_down());
    let run = second.client().instance::<(), _>("w").unwrap();
    run.raise_event("go", &()).await.unwrap();
    run.output().await.unwrap();
}
