//! Rule 6: turns, queues and memory are bounded, and a giant does not starve the others.

use std::time::Duration;

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, on_every_store};

/// How many events each turn received.
fn received_per_turn(history: &[HistoryEvent]) -> Vec<usize> {
    let turns = history.split(|event| event.kind == EventKind::OrchestratorStarted).skip(1);
    let received = |event: &&HistoryEvent| !event.kind.is_action() && event.kind != EventKind::OrchestratorCompleted;
    turns.map(|turn| turn.iter().filter(received).count()).collect()
}

#[orchestrator]
async fn counts(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for _ in 0..n {
        sum += ctx.wait_for_external_event::<u64>("n").await?;
    }
    Ok(sum)
}

/// Sends all of its events in one turn.
#[orchestrator]
async fn floods(ctx: OrchestrationContext, n: u64) -> Result<(), OrchestratorError> {
    let target = "counts".parse()?;
    (0..n).try_for_each(|n| ctx.send_event(&target, "n", &n))?;
    Ok(())
}

/// Events that come while an instance is in memory, and such as lie in the store when it begins.
#[test]
fn a_turn_takes_at_most_a_thousand_events() {
    const N: u64 = 2_500;
    let story = |world: WorldBuilder, delay: Duration| {
        let world = world.orchestrator(counts).orchestrator(floods).build();
        let run = world.started(world.client().start(counts, N).id("counts").delay(delay));
        let () = world.start(floods, N).output();
        assert_eq!(run.output(), (0..N).sum::<u64>());
        let received = received_per_turn(&run.history());
        assert!(received.iter().all(|count| *count <= 1_000), "{received:?}");
        assert_eq!(received.iter().sum::<usize>(), 2_501);
        assert!(received.len() <= 5, "events that are there are taken together: {received:?}");
    };
    for delay in [0, 60].map(Duration::from_secs) {
        on_every_store(|world| story(world, delay));
    }
}

#[activity]
async fn square(n: u64) -> u64 {
    n * n
}

#[orchestrator]
async fn fan_out(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    Ok(try_join_all((0..n).map(|i| ctx.call_activity(square, i))).await?.into_iter().sum())
}

/// Ten thousand calls of one orchestration are ordinary.
///
/// This is a hub on several threads, since a world has one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fan_out_of_ten_thousand() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(fan_out).activity(square).start().await.unwrap();
    let giant = hub.client().start(fan_out, 10_000).await.unwrap();
    let small = hub.client().start(fan_out, 1).await.unwrap();
    assert_eq!(small.output().await.unwrap(), 0);
    assert_eq!(giant.output().await.unwrap(), (0..10_000_u64).map(|n| n * n).sum::<u64>());
    let received = received_per_turn(&hub.client().history(giant.id()).await.unwrap().unwrap());
    assert!(received.iter().all(|count| *count <= 1_000), "{received:?}");
    hub.shutdown().await.unwrap();
}

/// Starts beyond what memory shall hold wait in the store, and all of them run.
#[test]
fn starts_beyond_the_bound_wait_in_the_store() {
    #[orchestrator]
    async fn held(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
        ctx.call_activity("hold", n).await
    }
    let world = World::builder().orchestrator(held).hub(|hub| hub.busy_instances(0)).build();
    let hold = world.mock_named("hold");
    hold.answers(|n, _| Ok::<_, ActivityError>(n)).takes(Duration::from_secs(60));
    let client = world.client();
    let runs = world.run_inside(join_all((0..3_000).map(|n| client.start(held, n).into_future())));
    let runs: Vec<_> = runs.into_iter().map(|run| world.instance::<u64>(run.unwrap().id().as_str())).collect();
    assert!(runs.iter().map(|run| run.output()).eq(0..3_000));
    hold.assert_called(3_000);
}
