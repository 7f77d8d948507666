//! Copies of a world, and worlds that go back in time.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;

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
    assert!(deadlock.contains("waits for event 'number'"), "{deadlock}");
    copy.instance::<u64>("the-child").raise("Number", &5);
    assert_eq!(copy.instance_of(&run).output(), 5);
}
