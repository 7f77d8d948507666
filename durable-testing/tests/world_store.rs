//! Worlds on other backends than memory.

#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, chaos, on_every_store};

const HOUR: Duration = Duration::from_secs(3_600);

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

#[orchestrator]
async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let paid = ctx.call_activity(charge, amount).await?;
    ctx.create_timer(HOUR).await;
    let more = ctx.wait_for_external_event::<u64>("More").timeout(HOUR).await.unwrap_or(0);
    Ok(paid + ctx.call_sub_orchestrator(ship, more).await?)
}

#[orchestrator]
async fn ship(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(HOUR).await;
    Ok(n)
}

/// Everything that can be told of an order.
fn story(world: WorldBuilder) -> (u64, Duration, Vec<&'static str>) {
    let world = world.orchestrator(order).orchestrator(ship).build();
    world.mock(charge).returns(5).takes(HOUR);
    let run = world.start(order, 5);
    world.advance(2 * HOUR + HOUR / 2);
    run.raise("More", &2);
    let output = run.output();
    (output, world.elapsed(), run.history().iter().map(|event| event.kind.name()).collect())
}

#[test]
fn a_story_is_the_same_on_every_store() {
    let (output, elapsed, _) = on_every_store(story);
    assert_eq!((output, elapsed), (7, 3 * HOUR + HOUR / 2));
}

#[test]
fn a_file_survives_everything() {
    let survived = chaos::every_crash_point(|world| story(world.sqlite()).0);
    assert!(survived.commits >= 8, "{survived:?}");
}

/// A directory for a file that a test wants to know.
#[derive(Clone)]
struct Place(Arc<tempfile::TempDir>);

impl Place {
    fn new() -> Self {
        Self(Arc::new(tempfile::tempdir().unwrap()))
    }

    fn file(&self) -> PathBuf {
        self.0.path().join("hub.db")
    }
}

/// Each process opens the file for itself, and the one before has given it up.
#[test]
fn a_store_is_opened_for_each_process() {
    let (place, opened) = (Place::new(), Arc::new(AtomicU64::new(0)));
    let (file, count) = (place.file(), Arc::clone(&opened));
    let open = move || {
        count.fetch_add(1, Ordering::SeqCst);
        Sqlite::open(&file).unwrap()
    };
    let world = World::builder().backend(open).orchestrator(ship).build();
    let run = world.start_as("s", ship, 3);
    world.advance(HOUR / 2);
    world.crash();
    world.restart();
    assert!(Sqlite::open(place.file()).unwrap_err().is_in_use());
    assert_eq!(run.output(), 3);
    assert_eq!(world.elapsed(), HOUR);
    assert_eq!(opened.load(Ordering::SeqCst), 3);
    drop((run, world));
    Sqlite::open(place.file()).unwrap();
}

#[test]
fn worlds_of_one_description_have_files_of_their_own() {
    let described = World::builder().sqlite().orchestrator(ship);
    let (a, b) = (described.clone().build(), described.build());
    assert_eq!(a.start_as("same", ship, 1).output(), 1);
    assert_eq!(b.start_as("same", ship, 2).output(), 2);
}

/// A user may have a runtime of his own, and the store needs one.
#[tokio::test]
async fn a_store_lives_in_a_runtime() {
    let inside = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&inside);
    let own = tokio::runtime::Handle::current().id();
    let world = World::builder().orchestrator(ship).backend(move || {
        seen.lock().unwrap().push(tokio::runtime::Handle::current().id());
        let opened = tokio::runtime::Handle::current().block_on(tokio::spawn(async { Memory::new() }));
        opened.unwrap()
    });
    let world = world.build();
    let output = world.client().start(ship, 4).await.unwrap().output().await.unwrap();
    assert_eq!((output, world.elapsed()), (4, HOUR));
    assert_eq!(inside.lock().unwrap().iter().filter(|id| **id != own).count(), 1);
}

#[test]
fn only_memory_can_be_copied() {
    let world = World::builder().sqlite().orchestrator(ship).build();
    let run = world.start(ship, 1);
    for copy in [&(|| drop(world.fork())) as &dyn Fn(), &|| drop(world.at(&run, 1))] {
        let complaint = catch_unwind(AssertUnwindSafe(copy)).unwrap_err();
        assert!(complaint.downcast::<&str>().unwrap().contains("only a world in memory"));
    }
    let recorded = run.history();
    let past = || World::builder().sqlite().orchestrator(ship).from_history(&recorded);
    assert!(catch_unwind(AssertUnwindSafe(past)).is_err());
}

#[test]
fn an_outcome_that_depends_on_the_store_is_found() {
    let stories = AtomicU64::new(0);
    let differs = || on_every_store(|_| stories.fetch_add(1, Ordering::SeqCst));
    let complaint = *catch_unwind(AssertUnwindSafe(differs)).unwrap_err().downcast::<String>().unwrap();
    assert!(complaint.contains("in memory: 0\n  in a file: 1"), "{complaint}");
}

#[orchestrator]
async fn calls(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_sub_orchestrator(ship, 1).await
}

/// The code of an orchestration that is the end of its process, until it is repaired.
#[test]
fn code_may_be_the_end_of_its_process() {
    on_every_store(|world| {
        let world = world.orchestrator(calls).orchestrator(ship).hub(|hub| hub.max_deliveries(2)).build();
        let ships = world.mock_orchestrator(ship);
        ships.crashes();
        let run = world.start(calls, ());
        assert!(run.failure().is_caused_by("Poison"));
        // The owner that has created it, and two that took it over.
        ships.assert_called(3);
        ships.returns(8);
        run.rewind("repaired");
        assert_eq!(run.output(), 8);
    });
}

/// The call that has died with its process gets the next answer when it is made again.
#[test]
fn a_crash_is_one_answer_of_several() {
    let world = World::builder().sqlite().orchestrator(order).orchestrator(ship).build();
    let charges = world.mock(charge);
    charges.crashes().takes(HOUR).crashes().returns(5);
    assert_eq!(world.start(order, 5).output(), 5);
    assert_eq!(charges.calls().iter().map(|call| call.delivery).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(world.elapsed(), 4 * HOUR);
}

#[test]
fn code_inside_of_a_world_waits_in_its_time() {
    let world = World::builder().sqlite().orchestrator(ship).build();
    let client = world.client();
    let sums = world.run_inside(async {
        let runs = join_all((0..3).map(|n| client.start(ship, n).into_future())).await;
        let outputs = runs.into_iter().map(|run| async move { run.unwrap().output().await.unwrap() });
        let sum: u64 = join_all(outputs).await.into_iter().sum();
        tokio::time::sleep(HOUR).await;
        sum
    });
    assert_eq!((sums, world.elapsed()), (3, 2 * HOUR));
    let waits_for_ever = || world.run_inside(std::future::pending::<()>());
    let complaint = *catch_unwind(AssertUnwindSafe(waits_for_ever)).unwrap_err().downcast::<String>().unwrap();
    assert!(complaint.contains("the code waits for ever"), "{complaint}");
    let dies = || {
        world.faults().crash(world.faults().commits() + 1);
        world.run_inside(client.start(ship, 1).into_future())
    };
    let complaint = *catch_unwind(AssertUnwindSafe(dies)).unwrap_err().downcast::<&str>().unwrap();
    assert!(complaint.contains("the process died"), "{complaint}");
}
