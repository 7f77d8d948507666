//! Copies of a world, and worlds that go back in time.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::history::HistoryEvent;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::Instance;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

#[activity]
async fn remind(person: String) -> Result<(), ActivityError> {
    drop(person);
    Ok(())
}

#[orchestrator]
async fn approval(ctx: OrchestrationContext, person: String) -> Result<bool, OrchestratorError> {
    ctx.set_custom_status("asked")?;
    let answer = ctx.wait_for_external_event::<bool>("Approval");
    let reminder = ctx.create_timer(3 * DAY);
    match select(answer, reminder).await {
        Either::Left((answer, _)) => Ok(answer?),
        Either::Right(((), answer)) => {
            ctx.call_activity(remind, person).await?;
            ctx.set_custom_status("reminded")?;
            answer.await
        }
    }
}

#[orchestrator]
async fn sums(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let a = ctx.call_activity(charge, 1).await?;
    let b = ctx.call_activity(charge, 2).await?;
    Ok(a + b)
}

#[orchestrator]
async fn child(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event("Number").await
}

#[orchestrator]
async fn parent(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_sub_orchestrator(child, ()).id("the-child").await
}

#[test]
fn forks_go_their_own_ways() {
    let world = World::builder().orchestrator(approval).build();
    world.mock(remind).returns(());
    let run = world.start(approval, "Ada".to_owned());
    world.advance(2 * DAY + HOUR);
    let other = world.fork();
    assert_eq!(other.now(), world.now());
    assert_eq!(other.elapsed(), 2 * DAY + HOUR);

    run.raise("Approval", &true);
    assert!(run.output());
    let twin = other.instance_of(&run);
    assert!(!twin.is_finished());
    assert_eq!(other.advance_to_next(), Some(DAY - HOUR), "the timer keeps its due time");
    other.mock(remind).assert_called_once_with("Ada".to_owned());
    world.mock(remind).assert_never_called();
    twin.raise("Approval", &false);
    assert!(!twin.output());
}

#[test]
fn a_mock_that_is_under_way_answers_when_it_would_have_answered() {
    let world = World::builder().orchestrator(sums).build();
    world.mock(charge).returns(10).takes(DAY).returns(20).takes(DAY);
    let run = world.start(sums, ());
    world.advance(DAY / 2);
    let snapshot = world.snapshot();
    for world in [snapshot.restore(), snapshot.restore().fork(), world] {
        assert_eq!(world.instance_of(&run).output(), 30);
        assert_eq!(world.elapsed(), 2 * DAY);
        let calls = world.mock(charge).calls();
        assert_eq!(calls.iter().map(|call| (call.input, call.delivery)).collect::<Vec<_>>(), [(1, 1), (2, 1)]);
    }
}

#[test]
fn copies_of_a_world_know_what_their_instances_wait_for() {
    let world = World::builder().orchestrator(parent).orchestrator(child).build();
    let run = world.start(parent, ());
    let copy = world.fork();
    let deadlock = copy.instance_of(&run).run_until_complete().unwrap_err().to_string();
    assert!(deadlock.contains("waits for event 'Number' (awaited at "), "{deadlock}");
    copy.instance::<u64>("the-child").raise("Number", &5);
    assert_eq!(copy.instance_of(&run).output(), 5);
}

fn position<O>(run: &Instance<O>, kind: &str) -> usize {
    run.history().iter().position(|event| event.kind.name() == kind).unwrap()
}

#[test]
fn an_instance_stands_where_it_stood_at_each_turn() {
    let world = World::builder().orchestrator(approval).build();
    world.mock(remind).returns(());
    let run = world.start(approval, "Ada".to_owned());
    world.advance(5 * DAY);
    run.raise("Approval", &true);
    assert!(run.output());
    let history = run.history();
    let mut ends = 0;
    for events in 0..=history.len() {
        let past = world.at(&run, events).unwrap();
        past.mock(remind).returns(());
        let run = past.instance_of(&run);
        let whole = history[..events].iter().rposition(|event| event.kind.name() == "OrchestratorCompleted");
        if let Some(end) = whole {
            ends += usize::from(end + 1 == events);
            assert_eq!(run.history()[..=end], history[..=end], "{events}");
            assert_eq!(run.history().len(), end + 1, "to look at it changes nothing");
        }
        past.run_until_blocked();
        if past.elapsed() < 3 * DAY && !run.is_finished() {
            assert_eq!(run.custom_status::<String>().as_deref(), Some("asked"));
            past.advance(3 * DAY);
        }
        assert_eq!(run.custom_status::<String>().as_deref(), Some("reminded"), "{events}");
        if !run.is_finished() {
            run.raise("Approval", &false);
            assert!(!run.output());
        }
    }
    assert_eq!(ends, 4, "the start, the reminder, its end, the answer");
}

#[test]
fn another_result_can_be_given_to_an_activity_of_the_past() {
    let world = World::builder().orchestrator(sums).build();
    world.mock(charge).returns_in_turn([10, 20]);
    let run = world.start(sums, ());
    assert_eq!(run.output(), 30);
    let past = world.at(&run, position(&run, "TaskCompleted")).unwrap();
    let run = past.instance_of(&run);
    // Whoever looks first does not spoil it.
    assert!(!run.is_finished());
    past.run_until_blocked();
    assert!(past.waits().to_string().contains("waits for activity 'charge'"), "{}", past.waits());
    past.mock(charge).returns_in_turn([1, 2]);
    assert_eq!(run.output(), 3);
    assert_eq!(past.mock(charge).inputs(), [1, 2]);
}

#[test]
fn a_child_that_is_under_way_is_under_way_again() {
    let world = World::builder().orchestrator(parent).orchestrator(child).build();
    let run = world.start(parent, ());
    let child = world.instance::<u64>("the-child");
    child.raise("Number", &5);
    assert_eq!(run.output(), 5);
    let past = world.at(&run, position(&run, "SubOrchestrationInstanceCompleted")).unwrap();
    past.run_until_blocked();
    assert!(past.waits().to_string().contains("waits for event 'Number' (awaited at "), "{}", past.waits());
    past.instance_of(&child).raise("Number", &6);
    assert_eq!(past.instance_of(&run).output(), 6);

    let past = world.at(&run, 0).unwrap();
    past.run_until_blocked();
    past.instance_of(&child).raise("Number", &7);
    assert_eq!(past.instance_of(&run).output(), 7);
    assert_eq!(run.output(), 5);
}

#[orchestrator]
async fn counts(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
    let more = ctx.wait_for_external_event::<u64>("More").await?;
    ctx.create_timer(HOUR).await;
    Ok(if round < 2 { Next::continue_as_new(round + 1) } else { Next::Complete(round * 100 + more) })
}

#[test]
fn a_later_execution_can_be_gone_back_to() {
    let world = World::builder().orchestrator(counts).build();
    let run = world.start(counts, 1);
    run.raise("More", &5);
    world.advance(HOUR);
    run.raise("More", &6);
    assert_eq!(run.output(), 206);
    let past = world.at(&run, position(&run, "EventRaised")).unwrap();
    let again = past.instance_of(&run);
    assert_eq!(past.elapsed(), HOUR);
    again.raise("More", &7);
    assert_eq!(again.output(), 207);
    assert_eq!(past.elapsed(), 2 * HOUR);

    let past = world.at(&run, position(&run, "TimerFired")).unwrap();
    assert_eq!(past.advance_to_next(), Some(HOUR), "the timer is open again");
    assert_eq!(past.instance_of(&run).output(), 206);
}

#[test]
fn a_history_of_production_goes_on_in_a_test() {
    let recorder = World::builder().orchestrator(approval).build();
    let run = recorder.start_as("order-7", approval, "Ada".to_owned());
    recorder.mock(remind).returns(()).takes(HOUR);
    recorder.advance(3 * DAY);
    let json = serde_json::to_string(&run.history()).unwrap();
    let history: Vec<HistoryEvent> = serde_json::from_str(&json).unwrap();

    let world = World::builder().orchestrator(approval).from_history(&history).unwrap();
    assert_eq!(world.now(), recorder.now());
    world.mock(remind).returns(());
    let run = world.instance::<bool>("order-7");
    run.raise("Approval", &true);
    assert!(run.output());
    world.mock(remind).assert_called_once_with("Ada".to_owned());

    let error = World::builder().orchestrator(sums).from_history(&history).unwrap_err();
    assert!(error.is_unknown_orchestrator(), "{error}");
    assert!(World::builder().from_history(&[]).unwrap_err().is_no_history());
}

mod other {
    use super::*;

    /// The same orchestrator after a change.
    #[orchestrator(name = "approval")]
    pub(super) async fn approval(ctx: OrchestrationContext, _person: String) -> Result<bool, OrchestratorError> {
        ctx.create_timer(DAY).await;
        Ok(true)
    }
}

#[test]
fn code_that_does_not_fit_a_history_is_refused() {
    let recorder = World::builder().orchestrator(approval).build();
    let run = recorder.start(approval, "Ada".to_owned());
    recorder.mock(remind).returns(());
    recorder.advance(3 * DAY);
    let error = World::builder().orchestrator(other::approval).from_history(&run.history()).unwrap_err();
    assert!(error.is_other_code(), "{error}");
    let fault = std::error::Error::source(&error).unwrap().to_string();
    assert!(fault.contains("world_travel.rs"), "{fault}");
}

#[test]
fn a_paused_instance_is_paused_in_the_past() {
    let world = World::builder().orchestrator(approval).build();
    world.mock(remind).returns(());
    let run = world.start(approval, "Ada".to_owned());
    run.suspend("pause");
    let paused = run.history().len();
    run.resume("go on");
    run.raise("Approval", &true);
    assert!(run.output());
    let past = world.at(&run, paused).unwrap();
    let run = past.instance_of(&run);
    assert_eq!(run.runtime_status(), RuntimeStatus::Suspended);
    run.raise("Approval", &false);
    assert!(!run.is_finished());
    run.resume("go on");
    assert!(!run.output());
}

#[orchestrator]
async fn pays(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ctx.call_activity(charge, 5).retry(RetryPolicy::fixed(3, HOUR)).await
}

#[test]
fn a_retry_goes_on_with_its_attempt() {
    let world = World::builder().orchestrator(pays).build();
    world.mock(charge).fails_times(2, "closed").returns(7);
    let run = world.start(pays, ());
    assert_eq!(run.output(), 7);
    let completed = position(&run, "TaskCompleted");
    let past = world.at(&run, completed).unwrap();
    past.mock(charge).fails("closed for ever");
    let failure = past.instance_of(&run).failure();
    assert!(format!("{failure:#}").contains("closed for ever"), "{failure:#}");
    assert_eq!(past.mock(charge).calls().iter().map(|call| call.attempt).collect::<Vec<_>>(), [3]);
}

#[orchestrator]
async fn starts(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let _ = ctx.start_orchestrator(child, ())?.id("first")?;
    ctx.create_timer(HOUR).await;
    let _ = ctx.start_orchestrator(child, ())?.id("second")?;
    Ok(())
}

#[test]
fn what_an_instance_has_started_later_is_not_there_yet() {
    let world = World::builder().orchestrator(starts).orchestrator(child).build();
    let run = world.start(starts, ());
    world.advance(HOUR);
    assert!(run.is_finished());
    let past = world.at(&run, position(&run, "TimerFired")).unwrap();
    let ids = || past.waits().stuck().iter().map(|stuck| stuck.instance.to_string()).collect::<Vec<_>>();
    assert_eq!(ids(), [run.id().to_string(), "first".to_owned()]);
    past.advance(HOUR);
    assert!(past.instance_of(&run).is_finished());
    assert_eq!(ids(), ["first", "second"]);
}

#[activity]
async fn slow(hours: u32) -> u32 {
    tokio::task::yield_now().await;
    tokio::time::timeout(hours * HOUR, std::future::pending::<()>()).await.unwrap_err();
    hours
}

#[orchestrator]
async fn waits_for_slow(ctx: OrchestrationContext) -> Result<u32, OrchestratorError> {
    ctx.call_activity(slow, 5).await
}

#[test]
fn a_real_activity_begins_again_in_a_copy() {
    let world = World::builder().orchestrator(waits_for_slow).activity(slow).build();
    let run = world.start(waits_for_slow, ());
    world.advance(2 * HOUR);
    let copy = world.fork();
    assert_eq!(run.output(), 5);
    assert_eq!(world.elapsed(), 5 * HOUR);
    assert_eq!(copy.instance_of(&run).output(), 5);
    assert_eq!(copy.elapsed(), 7 * HOUR);
}

#[test]
fn copies_of_copies_and_worlds_of_the_past_die_like_others() {
    let world = World::builder().orchestrator(approval).build();
    let run = world.start(approval, "Ada".to_owned());
    world.advance(DAY);
    let copy = world.fork().fork();
    copy.crash();
    assert_eq!(copy.elapsed(), DAY);
    copy.mock(remind).returns(()).takes(HOUR);
    copy.advance(2 * DAY);
    let past = copy.at(&copy.instance_of(&run), 0).unwrap();
    past.mock(remind).returns(()).takes(HOUR);
    for world in [copy, past] {
        world.crash();
        world.restart();
        let run = world.instance_of(&run);
        run.raise("Approval", &true);
        assert!(run.output());
    }
}
