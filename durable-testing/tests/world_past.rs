//! A world for tests: going back to moments at which children are under way, in a world and in recorded histories.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::model::Timestamp;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::recorded::RecordedHistory;
use durable_testing::world::{Instance, WorldBuilder};

const HOUR: Duration = Duration::from_secs(3_600);

#[activity]
async fn double(number: u64) -> u64 {
    2 * number
}

/// Doubles, waits for an hour, and doubles again.
#[orchestrator]
async fn grandchild(ctx: OrchestrationContext, number: u64) -> Result<u64, OrchestratorError> {
    let doubled = ctx.call_activity(double, number).await?;
    ctx.create_timer(HOUR).await;
    ctx.call_activity(double, doubled).await
}

/// Asks its child in each of three executions, with an hour before each.
#[orchestrator]
async fn child(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
    ctx.set_custom_status(&round)?;
    ctx.create_timer(HOUR).await;
    let more = ctx.call_sub_orchestrator(grandchild, round).await?;
    Ok(if round < 3 { Next::continue_as_new(round + 1) } else { Next::Complete(more) })
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let family = ctx.call_sub_orchestrator(child, 1).id("the-child");
    let ticks = async {
        for _ in 0..4 {
            ctx.create_timer(HOUR + HOUR / 4).await;
        }
        ctx.call_activity(double, 50).await
    };
    let (family, ticks) = join(family, ticks).await;
    let ticks: Result<u64, OrchestratorError> = ticks;
    Ok(family? + ticks?)
}

fn family() -> WorldBuilder {
    World::builder().orchestrator(parent).orchestrator(child).orchestrator(grandchild).activity(double)
}

fn position<O>(run: &Instance<O>, kind: &str) -> usize {
    run.history().iter().position(|event| event.kind.name() == kind).unwrap()
}

#[test]
fn from_every_event_a_family_goes_on_to_the_same_end_at_the_same_time() {
    let world = family().build();
    let run = world.start_as("p", parent, ());
    assert_eq!(run.output(), 112);
    let elapsed = world.elapsed();
    assert_eq!(elapsed, 6 * HOUR);
    for id in ["p", "the-child"] {
        let watched = world.instance::<u64>(id);
        let history = watched.history();
        for events in 0..=history.len() {
            let past = world.at(&watched, events).unwrap();
            let then = past.instance_of(&watched).history();
            assert!(history.starts_with(&then) && then.len() <= events, "{id} {events}");
            assert_eq!(past.instance_of(&run).output(), 112, "{id} {events}");
            assert_eq!(past.elapsed(), elapsed, "{id} {events}");
            let again: Vec<_> = past.instance_of(&run).history();
            assert_eq!(again.len(), run.history().len(), "{id} {events}");
        }
    }
}

#[test]
fn a_child_stands_in_the_execution_of_that_time() {
    let world = family().build();
    let begin = world.now();
    let run = world.start_as("p", parent, ());
    assert_eq!(run.output(), 112);
    for (half_hours, round) in [(1, 1), (3, 1), (5, 2), (9, 3)] {
        let past = world.at_time(begin.saturating_add(half_hours * HOUR / 2)).unwrap();
        let child = past.instance::<u64>("the-child");
        assert_eq!(child.custom_status::<u64>(), Some(round), "{half_hours}");
        assert_eq!(past.elapsed(), half_hours * HOUR / 2);
        assert_eq!(past.instance_of(&run).output(), 112);
        assert_eq!(past.elapsed(), 6 * HOUR);
    }
    assert!(world.at_time(begin.saturating_add(100 * HOUR)).unwrap().instance_of(&run).is_finished());
    assert!(world.at_time(Timestamp::UNIX_EPOCH).unwrap_err().is_before_the_world());
    let copy = world.fork();
    let past = copy.at_time(begin.saturating_add(HOUR / 2)).unwrap();
    past.crash();
    assert_eq!(past.instance_of(&run).output(), 112, "copies know what was before them, and pasts may crash");
    let further = past.at_time(begin).unwrap();
    assert_eq!((further.elapsed(), further.instance_of(&run).output()), (Duration::ZERO, 112));
}

#[orchestrator]
async fn listens(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let mut heard = Vec::new();
    for _ in 0..2 {
        heard.push(ctx.wait_for_external_event("Number").await?);
    }
    Ok(heard)
}

#[orchestrator]
async fn naps(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(HOUR).await;
    ctx.create_timer(HOUR).await;
    Ok(())
}

#[test]
fn messages_that_nobody_has_read_are_there_again() {
    let world = World::builder().orchestrator(listens).orchestrator(naps).build();
    let (listener, napper) = (world.start(listens, ()), world.start(naps, ()));
    listener.suspend("pause");
    listener.raise("Number", &1);
    listener.raise("Number", &2);
    world.advance(HOUR);
    listener.resume("go on");
    assert_eq!(listener.output(), [1, 2]);
    napper.run_until_complete().unwrap();

    let past = world.at(&napper, position(&napper, "TimerFired") + 3).unwrap();
    assert_eq!(past.elapsed(), HOUR);
    let listener = past.instance_of(&listener);
    assert_eq!(listener.runtime_status(), RuntimeStatus::Suspended);
    listener.resume("go on");
    assert_eq!(listener.output(), [1, 2]);
}

#[orchestrator]
async fn asks(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.create_timer(HOUR).await;
    let answer = ctx.call_sub_orchestrator(grandchild, 1).id("the-child").await?;
    Ok(answer + ctx.call_activity(double, 100).await?)
}

#[test]
fn a_mocked_child_under_way_waits_for_another_answer() {
    let world = World::builder().orchestrator(asks).mocked_orchestrator(grandchild).activity(double).build();
    world.mock_orchestrator(grandchild).returns(7).takes(5 * HOUR);
    let run = world.start(asks, ());
    assert_eq!(run.output(), 207);
    assert_eq!(world.elapsed(), 6 * HOUR);

    let past = world.at(&run, position(&run, "SubOrchestrationInstanceCompleted")).unwrap();
    past.run_until_blocked();
    assert!(past.waits().to_string().contains("waits for child 'the-child'"), "{}", past.waits());
    let answers = past.mock_orchestrator(grandchild);
    answers.returns(9).takes(HOUR);
    assert_eq!(past.instance_of(&run).output(), 209);
    assert_eq!(past.elapsed(), 2 * HOUR);
    answers.assert_called_once_with(1);
}

/// The histories of these instances, as they come out of production.
fn recorded(world: &World, ids: &[&str]) -> Vec<RecordedHistory> {
    let json = ids.iter().map(|id| world.record(&world.instance::<u64>(id)).to_json());
    json.map(|file| RecordedHistory::from_json(&file).unwrap()).collect()
}

/// The ids of all instances, parents first.
fn ids(world: &World) -> Vec<String> {
    let text = world.snapshot_text();
    let heads = text.lines().filter(|line| !line.starts_with('+') && !line.is_empty());
    heads.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
}

#[orchestrator]
async fn three_levels(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let below = ctx.call_sub_orchestrator(asks, ()).id("middle").await?;
    Ok(below + ctx.call_activity(double, 1_000).await?)
}

fn levels() -> WorldBuilder {
    World::builder().orchestrator(three_levels).orchestrator(asks).orchestrator(grandchild).activity(double)
}

#[test]
fn from_every_event_of_recorded_histories_a_family_goes_on_to_the_same_end() {
    let recorder = levels().build();
    let run = recorder.start_as("top", three_levels, ());
    assert_eq!(run.output(), 2_204);
    assert_eq!(ids(&recorder), ["top", "middle", "the-child"]);
    let files = recorded(&recorder, &["middle", "the-child", "top"]);
    let world = levels().from_histories(&files).unwrap();
    assert_eq!(world.now(), recorder.now());
    for id in ["top", "middle", "the-child"] {
        let watched = world.instance::<u64>(id);
        let history = watched.history();
        assert_eq!(history, recorder.instance::<u64>(id).history());
        for events in 0..=history.len() {
            let past = world.at(&watched, events).unwrap();
            assert!(history.starts_with(&past.instance_of(&watched).history()), "{id} {events}");
            assert_eq!(past.instance::<u64>("top").output(), 2_204, "{id} {events}");
            assert_eq!(past.now(), recorder.now(), "{id} {events}");
        }
    }
}

#[test]
fn an_end_that_the_parent_has_not_heard_of_is_a_message() {
    let recorder = levels().build();
    let run = recorder.start_as("top", three_levels, ());
    assert_eq!(run.output(), 2_204);
    let files = recorded(&recorder, &["top", "middle", "the-child"]);
    let middle = files[1].events();
    let heard = middle.iter().position(|event| event.kind.name() == "SubOrchestrationInstanceCompleted").unwrap();
    let top = files[0].events();
    let heard_above = top.iter().position(|event| event.kind.name() == "SubOrchestrationInstanceCompleted").unwrap();
    let world = levels().from_histories([&top[..heard_above], &middle[..heard], files[2].events()]).unwrap();
    assert!(world.instance::<u64>("the-child").is_finished());
    assert!(!world.instance::<u64>("middle").is_finished());
    assert_eq!(world.instance::<u64>("top").output(), 2_204);
    assert_eq!(world.elapsed(), Duration::ZERO);

    let world = levels().from_histories([&top[..heard_above], &middle[..3]]).unwrap();
    assert_eq!(world.instance::<u64>("top").output(), 2_204, "a child that was not started yet need not be given");
}

#[test]
fn a_child_without_a_history_is_asked_for_or_mocked() {
    let recorder = levels().build();
    let run = recorder.start_as("top", three_levels, ());
    recorder.advance(HOUR + HOUR / 2);
    drop(run);
    let files = recorded(&recorder, &["top", "middle", "the-child"]);
    let error = levels().from_histories(&files[..2]).unwrap_err();
    assert!(error.is_open_child(), "{error}");
    let expected = "'middle' waits for its child 'the-child' (grandchild) at this point, and there is no history of the child: \
                    give it to `from_histories` as well, or let a mock stand in for it with `mocked_orchestrator(grandchild)`";
    assert_eq!(error.to_string(), expected);
    assert!(levels().from_history(files[0].events()).unwrap_err().to_string().contains("child 'middle' (asks)"));

    let mocked = || {
        let world = World::builder().orchestrator(three_levels).orchestrator(asks).activity(double);
        world.mocked_orchestrator(grandchild)
    };
    for histories in [&files[..2], &files[..]] {
        let world = mocked().from_histories(histories).unwrap();
        let child = world.instance::<u64>("the-child");
        assert!(!child.is_finished());
        world.mock_orchestrator(grandchild).returns(7).takes(HOUR);
        assert_eq!(world.instance::<u64>("top").output(), 2_207);
        assert_eq!(world.elapsed(), HOUR);
        assert_eq!(child.output(), 7);
    }
    let world = mocked().from_histories(&files[..2]).unwrap();
    world.mock_orchestrator(grandchild).fails("there is nobody");
    world.crash();
    assert!(format!("{:#}", world.instance::<u64>("top").failure()).contains("there is nobody"));
}

/// Tells the listener at once, and again after an hour.
#[orchestrator]
async fn tells(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let listener = InstanceId::new("listener")?;
    ctx.create_timer(HOUR).await;
    ctx.send_event(&listener, "Number", &1)?;
    ctx.create_timer(HOUR).await;
    ctx.send_event(&listener, "Number", &2)?;
    Ok(())
}

#[test]
fn events_between_recorded_instances_arrive_once() {
    let recorder = World::builder().orchestrator(listens).orchestrator(tells).build();
    let (listener, teller) = (recorder.start_as("listener", listens, ()), recorder.start_as("teller", tells, ()));
    recorder.advance(HOUR);
    listener.suspend("pause");
    recorder.advance(HOUR);
    assert!(teller.is_finished() && !listener.is_finished());
    let files = [recorder.record(&teller), recorder.record(&listener)];
    let all = World::builder().orchestrator(listens).orchestrator(tells).from_histories(&files).unwrap();
    let listener = all.instance::<Vec<u64>>("listener");
    listener.resume("go on");
    assert_eq!(listener.output(), [1, 2], "the second one was on its way");

    let listens_first = [files[1].events(), files[0].events()];
    let world = World::builder().orchestrator(listens).orchestrator(tells).from_histories(listens_first).unwrap();
    for events in 0..=files[0].events().len() {
        let past = world.at(&world.instance::<()>("teller"), events).unwrap();
        let listener = past.instance::<Vec<u64>>("listener");
        past.advance(2 * HOUR);
        if listener.runtime_status() == RuntimeStatus::Suspended {
            listener.resume("go on");
        }
        assert_eq!(listener.output(), [1, 2], "{events}");
    }
}
