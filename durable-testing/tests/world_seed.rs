//! Ids, GUIDs and random numbers of a world are the same in every run.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{Explorer, Instance, WorldBuilder, chaos, explore};

/// What an orchestration can make up.
type Drawn = (String, String, u64);

fn drawn(ctx: &OrchestrationContext) -> Drawn {
    (ctx.instance_id().to_string(), ctx.new_guid().to_string(), ctx.rng().next_u64())
}

#[activity]
async fn note(drawn: Drawn) -> Drawn {
    drawn
}

#[orchestrator]
async fn child(ctx: OrchestrationContext) -> Result<Drawn, OrchestratorError> {
    ctx.call_activity(note, drawn(&ctx)).await
}

/// Two executions, each with children.
#[orchestrator]
async fn family(
    ctx: OrchestrationContext,
    earlier: Vec<Drawn>,
) -> Result<Next<Vec<Drawn>, Vec<Drawn>>, OrchestratorError> {
    let mut all = earlier;
    let is_first = all.is_empty();
    all.push(drawn(&ctx));
    let children = join_all((0..3).map(|_| ctx.call_sub_orchestrator(child, ()))).await;
    for child in children {
        all.push(child?);
    }
    ctx.create_timer(Duration::from_secs(60)).await;
    Ok(if is_first { Next::continue_as_new(all) } else { Next::Complete(all) })
}

#[orchestrator]
async fn open(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Go").await?;
    Ok(ctx.rng().next_u64())
}

fn builder() -> WorldBuilder {
    World::builder().orchestrator(family).orchestrator(child).orchestrator(open).activity(note)
}

/// What two starts draw, and the id of the first execution.
fn story(world: &World) -> (Vec<Drawn>, Vec<Drawn>, String) {
    let (one, two) = (world.start(family, Vec::new()), world.start(family, Vec::new()));
    let first = execution(&one);
    (one.output(), two.output(), first)
}

fn execution<O>(run: &Instance<O>) -> String {
    run.status().execution_id.to_string()
}

fn is_an_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[test]
fn the_same_story_draws_the_same() {
    let first = story(&builder().build());
    assert_eq!(first, story(&builder().build()));
    assert_eq!(first, story(&builder().seed(0).build()), "the seed is 0 as long as none is set");
    let other = story(&builder().seed(1).build());
    let all =
        |(one, two, _): &(Vec<Drawn>, Vec<Drawn>, String)| -> Vec<Drawn> { one.iter().chain(two).cloned().collect() };
    let both: Vec<_> = all(&first).into_iter().chain(all(&other)).collect();
    assert_eq!(both.len(), 4 * 8);
    let guids: BTreeSet<_> = both.iter().map(|(_, guid, _)| guid).collect();
    let numbers: BTreeSet<_> = both.iter().map(|(_, _, number)| number).collect();
    assert_eq!(
        (guids.len(), numbers.len()),
        (both.len(), both.len()),
        "another seed draws others, and nothing comes twice"
    );
    assert!(is_an_id(&first.0[0].0) && is_an_id(&first.2), "{first:?}");
}

#[test]
fn a_crash_and_a_restart_change_nothing() {
    let calm = story(&builder().build());
    let world = builder().build();
    let (one, two) = (world.start(family, Vec::new()), world.start(family, Vec::new()));
    world.crash();
    let first = execution(&one);
    world.restart();
    let one = one.output();
    world.crash();
    assert_eq!((one, two.output(), first), calm);
}

#[test]
fn no_id_comes_twice() {
    let world = builder().build();
    let mut seen = BTreeSet::new();
    let mut fresh = |id: String| assert!(seen.insert(id.clone()), "{id} comes twice");
    for _ in 0..3 {
        let run = world.start_as("again", open, ());
        fresh(execution(&run));
        run.raise("Go", &());
        let _ = run.output();
        let run = world.start(open, ());
        fresh(run.id().to_string());
        fresh(execution(&run));
        world.crash();
        run.raise("Go", &());
        let _ = run.output();
    }
    let client = world.client();
    let many = world.run_inside(join_all((0..5).map(|_| client.start(open, ()).into_future())));
    many.into_iter().for_each(|run| fresh(run.unwrap().id().to_string()));
    // A purge takes an instance away, and its ids stay in use.
    let purged = world.start_as("purged", open, ());
    fresh(execution(&purged));
    purged.raise("Go", &());
    let _ = purged.output();
    world.run_inside(world.client().purge(purged.id()).into_future()).unwrap();
    fresh(execution(&world.start_as("purged", open, ())));
    world.fork().start(open, ()).raise("Go", &());
    fresh(world.fork().start(open, ()).id().to_string());
}

#[test]
fn of_several_starts_at_the_same_time_one_is_taken() {
    let world = builder().build();
    let client = world.client();
    let starts = world.run_inside(join_all((0..10).map(|_| client.start(open, ()).id("one").into_future())));
    assert_eq!(starts.iter().filter(|start| start.is_ok()).count(), 1);
    // Starts that were refused make no difference to those that come later.
    let run = world.instance::<u64>("one");
    run.raise("Go", &());
    let calm = builder().build();
    let alone = calm.start_as("one", open, ());
    alone.raise("Go", &());
    assert_eq!((run.output(), execution(&run)), (alone.output(), execution(&alone)));
}

#[test]
fn a_copy_goes_on_as_the_world_would() {
    let world = builder().build();
    let run = world.start(family, Vec::new());
    let copy = world.fork();
    let there = (copy.instance_of(&run).output(), copy.start(open, ()).id().clone());
    let output = run.output();
    assert_eq!((output.clone(), world.start(open, ()).id().clone()), there);
    // Back, to before it continued as new.
    let past = world.at_time(world.now()).unwrap();
    assert_ne!(past.start(open, ()).id(), &there.1, "it has been given out by then");
    let begin = durable_core::model::Timestamp::from_ticks(world.now().ticks() - 90 * 10_000_000);
    let past = world.at_time(begin).unwrap();
    assert_eq!(past.instance_of(&run).output(), output);
    assert_eq!(past.start(open, ()).id(), &there.1, "not yet there");
}

#[test]
fn worlds_that_follow_each_other_on_a_store_have_their_own_ids() {
    let store = Memory::new();
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        let store = store.clone();
        let world = builder().backend(move || store.clone()).build();
        let run = world.start_as("again", open, ());
        ids.extend([world.start(open, ()).id().to_string(), execution(&run)]);
        run.raise("Go", &());
        let _ = run.output();
    }
    assert_eq!(ids.len(), 4);
}

/// What an activity was called with outlives processes.
#[derive(Clone, Default)]
struct Outside(Arc<Mutex<BTreeSet<String>>>);

#[activity]
async fn tell(State(outside): State<Outside>, drawn: Drawn) -> Result<(), ActivityError> {
    outside.0.lock().unwrap().insert(drawn.1);
    Ok(())
}

#[orchestrator]
async fn teller(ctx: OrchestrationContext) -> Result<Vec<Drawn>, OrchestratorError> {
    let mut all = Vec::new();
    for _ in 0..2 {
        ctx.create_timer(Duration::from_secs(1)).await;
        let drawn = drawn(&ctx);
        ctx.call_activity(tell, drawn.clone()).await?;
        all.push(drawn);
        all.push(ctx.call_sub_orchestrator(child, ()).await?);
    }
    Ok(all)
}

#[test]
fn generated_ids_and_numbers_survive_every_crash_point() {
    let survived = chaos::every_crash_point(|world| {
        let outside = Outside::default();
        let world =
            world.orchestrator(teller).orchestrator(child).activity(note).activity(tell).state(outside.clone()).build();
        let run = world.start(teller, ());
        let drawn = run.output();
        let told = outside.0.lock().unwrap().len();
        (drawn, told, run.id().to_string())
    });
    assert!(survived.runs > 20);
}

#[orchestrator]
async fn with_its_time(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(Duration::from_secs(1)).await;
    let now = ctx.now();
    ctx.call_activity(at, (now.to_string(), ctx.rng().next_u64())).await
}

#[activity]
async fn at(_at: (String, u64)) {}

#[test]
fn times_alone_are_no_difference_after_a_fault() {
    chaos::every_crash_point(|world| {
        let world = world.orchestrator(with_its_time).activity(at).build();
        let run = world.start(with_its_time, ());
        let () = run.output();
        world.now()
    });
}

static WRONG: Mutex<u64> = Mutex::new(0);

#[test]
fn numbers_beside_a_guid_are_still_compared() {
    let failed = catch_unwind(AssertUnwindSafe(|| {
        chaos::every_crash_point(|world| {
            let world = world.orchestrator(open).build();
            let run = world.start(open, ());
            run.raise("Go", &());
            *WRONG.lock().unwrap() += 1;
            (run.output(), run.id().to_string(), *WRONG.lock().unwrap() > 3)
        });
    }));
    let text = failed.unwrap_err().downcast_ref::<String>().unwrap().clone();
    assert!(text.contains("the story has another outcome"), "{text}");
}

#[orchestrator]
async fn race(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let calls = (0..2).map(|_| ctx.call_activity(note, drawn(&ctx)));
    let notes = join_all(calls).await;
    // What happens next depends on the numbers.
    let mut sum = 0;
    for drawn in notes {
        sum += drawn?.2 % 3;
    }
    for _ in 0..sum {
        let (one, two) = join(ctx.call_activity(note, drawn(&ctx)), ctx.call_activity(note, drawn(&ctx))).await;
        one.and(two)?;
    }
    Ok(sum)
}

#[test]
fn an_exploration_sees_the_same_numbers_in_each_run() {
    // The seeds have stories of different lengths; each must be the same in all of its runs.
    let mut sums = BTreeSet::new();
    for seed in 0..4 {
        let seen = Mutex::new(BTreeSet::new());
        let world = || World::builder().orchestrator(race).activity(note).seed(seed);
        let explored = Explorer::new().at_most(300).then_random(5, 1).run(world, |world| {
            let run = world.start(race, ());
            seen.lock().unwrap().insert((run.output(), run.id().to_string()));
        });
        assert!(explored.orders > 1);
        let seen = seen.into_inner().unwrap();
        assert_eq!(seen.len(), 1, "{seen:?}");
        sums.extend(seen);
    }
    assert!(sums.len() > 1, "{sums:?}");
    explore(
        || World::builder().orchestrator(child).activity(note),
        |world| {
            let _ = world.start(child, ()).output();
        },
    );
}

#[test]
fn a_world_from_a_history_gives_new_ids() {
    let world = builder().build();
    let run = world.start_as("recorded", open, ());
    let history: Vec<HistoryEvent> = run.history();
    let EventKind::ExecutionStarted(header) =
        &history.iter().find(|event| event.kind.name() == "ExecutionStarted").unwrap().kind
    else {
        panic!("{history:?}");
    };
    let again = builder().from_history(&history).unwrap();
    let run = again.instance::<u64>("recorded");
    run.raise("Go", &());
    let _ = run.output();
    assert_ne!(execution(&again.start_as("recorded", open, ())), header.execution.to_string());
}
