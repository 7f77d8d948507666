//! Worlds in which something goes wrong.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::client::InstanceQuery;
use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::world::{WorldBuilder, chaos};

const HOUR: Duration = Duration::from_secs(3_600);

/// A counter outside.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicU64>);

/// Counts what it has counted before only once.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeSet<String>>>);

#[activity]
async fn add(State(counter): State<Counter>, amount: u64) -> Result<u64, ActivityError> {
    Ok(counter.0.fetch_add(amount, Ordering::SeqCst))
}

#[activity]
async fn enter(ctx: ActivityContext, State(ledger): State<Ledger>, _amount: u64) -> Result<(), ActivityError> {
    ledger.0.lock().unwrap().insert(ctx.idempotency_key());
    Ok(())
}

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

#[orchestrator]
async fn adds(ctx: OrchestrationContext, amount: u64) -> Result<(), OrchestratorError> {
    ctx.call_activity(add, amount).await?;
    Ok(())
}

#[orchestrator]
async fn enters(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let first = ctx.call_activity(enter, 1);
    let second = ctx.call_activity(enter, 2);
    first.await?;
    second.await?;
    let more = ctx.wait_for_external_event::<u64>("More").await?;
    ctx.create_timer(HOUR).await;
    ctx.call_sub_orchestrator(enters_one, more).await?;
    Ok(more)
}

#[orchestrator]
async fn enters_one(ctx: OrchestrationContext, amount: u64) -> Result<(), OrchestratorError> {
    ctx.call_activity(enter, amount).await
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(5, Duration::from_secs(60));
    ctx.call_activity(charge, amount).retry(policy).await
}

fn complaint(test: impl FnOnce()) -> String {
    *catch_unwind(AssertUnwindSafe(test)).unwrap_err().downcast::<String>().unwrap()
}

#[test]
fn a_sound_story_survives_everything() {
    let survived = chaos::every_crash_point(|world: WorldBuilder| {
        let ledger = Ledger::default();
        let world = world.orchestrator(enters).orchestrator(enters_one).activity(enter).state(ledger.clone()).build();
        let run = world.start(enters, ());
        run.raise("More", &7);
        let output = run.output();
        let entries = ledger.0.lock().unwrap().len();
        (output, entries)
    });
    assert!(survived.commits >= 8, "{survived:?}");
    assert_eq!(survived.runs, 4 * survived.commits);
}

#[test]
fn mocks_give_a_call_the_same_answer_again() {
    chaos::every_crash_point(|world| {
        let world = world.orchestrator(pay).build();
        world.mock(charge).fails_times(2, "closed").returns_in_turn([7, 8]);
        world.start(pay, 5).output()
    });
}

#[test]
fn an_activity_that_must_not_run_twice_is_found() {
    let complaint = complaint(|| {
        chaos::every_crash_point(|world| {
            let counter = Counter::default();
            let world = world.orchestrator(adds).activity(add).state(counter.clone()).build();
            let _ = world.start_as("sum", adds, 5).run_until_complete();
            counter.0.load(Ordering::SeqCst)
        });
    });
    assert!(complaint.contains("the process dies just before commit"), "{complaint}");
    assert!(complaint.contains("TaskCompleted"), "{complaint}");
    assert!(complaint.contains("undisturbed: 5\n  disturbed:   10"), "{complaint}");
    assert!(
        complaint.contains("activity 'add' was handed out again: delivery 2 of the call of 'sum' with 5"),
        "{complaint}"
    );
}

/// Where an activity puts a message that another one takes out: in the memory of the process.
#[derive(Clone, Default)]
struct Mailbox(Arc<Mutex<Vec<u64>>>);

#[activity]
async fn post(State(mailbox): State<Mailbox>, number: u64) -> Result<(), ActivityError> {
    mailbox.0.lock().unwrap().push(number);
    Ok(())
}

#[activity]
async fn collect(State(mailbox): State<Mailbox>) -> Result<Vec<u64>, ActivityError> {
    Ok(mailbox.0.lock().unwrap().clone())
}

#[orchestrator]
async fn posts(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    ctx.call_activity(post, 5).await?;
    ctx.call_activity(collect, ()).await
}

#[test]
fn an_event_that_only_memory_holds_is_found() {
    let complaint = complaint(|| {
        chaos::every_crash_point(|world| {
            let world = world.orchestrator(posts).activity(post).activity(collect);
            world.hub(|hub| hub.state(Mailbox::default())).build().start(posts, ()).output()
        });
    });
    assert!(complaint.contains("the process dies just"), "{complaint}");
    assert!(complaint.contains("undisturbed: [5]\n  disturbed:   []"), "{complaint}");
}

#[test]
fn what_dies_with_its_process_too_often_is_poison() {
    let world = World::builder().orchestrator(pay).hub(|hub| hub.max_deliveries(3)).build();
    let charges = world.mock(charge);
    charges.hangs();
    let run = world.start(pay, 5);
    for delivery in 1..=3 {
        assert_eq!(charges.calls().last().unwrap().delivery, delivery);
        assert!(!run.is_finished());
        world.crash();
    }
    let failure = run.failure();
    assert_eq!(charges.calls().len(), 3);
    assert!(failure.to_string().contains("charge"), "{failure:?}");
}

#[test]
fn time_goes_on_over_a_crash() {
    let world = World::builder().orchestrator(enters).orchestrator(enters_one).activity(enter);
    let world = world.state(Ledger::default()).build();
    let run = world.start(enters, ());
    world.advance(HOUR / 2);
    let before = world.now();
    world.crash();
    assert_eq!(world.now(), before);
    run.raise("More", &7);
    world.advance(HOUR / 2);
    world.crash();
    assert_eq!(world.advance_to_next(), Some(HOUR / 2));
    assert_eq!(world.elapsed(), HOUR + HOUR / 2);
}

#[test]
fn a_shutdown_gives_activities_time_and_counts_no_delivery() {
    let world = World::builder().orchestrator(pay).hub(|hub| hub.drain_timeout(Duration::from_secs(30))).build();
    let charges = world.mock(charge);
    charges.returns_in_turn([7, 8]).takes(HOUR);
    charges.returns(9);
    let quick = world.start(pay, 5);
    assert_eq!(quick.output(), 7);
    let run = world.start(pay, 6);
    world.restart();
    assert_eq!(world.elapsed(), Duration::from_secs(30));
    assert_eq!(run.output(), 8, "the answer belongs to the call");
    assert_eq!(charges.calls().iter().map(|call| call.delivery).collect::<Vec<_>>(), [1, 1, 1]);
    assert_eq!(world.elapsed(), Duration::from_secs(30) + HOUR);
}

#[test]
fn a_process_that_dies_while_time_passes_is_followed_by_another() {
    let world = World::builder().orchestrator(enters).orchestrator(enters_one).activity(enter);
    let world = world.state(Ledger::default()).build();
    let run = world.start(enters, ());
    run.raise("More", &7);
    world.faults().crash(world.faults().commits() + 1);
    world.advance(2 * HOUR);
    assert!(run.is_finished());
    assert_eq!(world.elapsed(), 2 * HOUR);
}

#[test]
fn a_client_is_told_that_its_commit_failed() {
    let world = World::builder().orchestrator(enters).activity(enter).state(Ledger::default()).build();
    let run = world.start(enters, ());
    world.faults().fail(world.faults().commits() + 1);
    let complaint = complaint(|| run.raise("More", &7));
    assert!(complaint.contains("cannot be sent an event"), "{complaint}");
}

#[orchestrator]
async fn collects(ctx: OrchestrationContext, so_far: Vec<u64>) -> Result<Next<Vec<u64>, Vec<u64>>, OrchestratorError> {
    let number = ctx.wait_for_external_event::<u64>("Number").await?;
    let charged = ctx.call_sub_orchestrator(pay, number).await?;
    let all: Vec<_> = so_far.into_iter().chain([charged]).collect();
    Ok(if all.len() < 3 { Next::continue_as_new(all) } else { Next::Complete(all) })
}

#[test]
fn a_story_with_children_pauses_and_new_executions_survives_everything() {
    let survived = chaos::every_crash_point(|world| {
        let world = world.orchestrator(collects).orchestrator(pay).build();
        world.mock(charge).answers(|amount, attempt| if attempt == 1 { Err("closed") } else { Ok(amount * 10) });
        let run = world.start(collects, Vec::new());
        let stopped = world.start_as("stopped", collects, vec![1, 2]);
        stopped.raise("Number", &9);
        stopped.terminate("enough");
        run.raise("Number", &1);
        run.raise("Number", &2);
        run.suspend("pause");
        world.advance(HOUR);
        run.raise("Number", &3);
        run.resume("go on");
        (run.output(), stopped.runtime_status())
    });
    assert!(survived.commits > 20, "{survived:?}");
}

#[tokio::test]
async fn a_client_outside_survives_a_crash() {
    let world = World::builder().orchestrator(pay).build();
    world.mock(charge).returns(7).takes(HOUR);
    let client = world.client();
    for n in 1..=6 {
        world.faults().crash(world.faults().commits() + n);
        let run = client.start(pay, 5).await.unwrap();
        world.crash();
        assert_eq!(run.output().await.unwrap(), 7);
    }
    assert_eq!(client.list(InstanceQuery::new()).await.unwrap().instances.len(), 6, "each was started once");
}

/// The number of a process.
#[derive(Clone)]
struct Process(u64);

#[activity]
async fn which_process(State(process): State<Process>) -> u64 {
    process.0
}

#[orchestrator]
async fn asks(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    let process = ctx.call_activity(which_process, ()).await?;
    ctx.call_activity(charge, process).await?;
    Ok(())
}

#[test]
fn other_inputs_are_found_where_the_outcome_is_the_same() {
    let complaint = complaint(|| {
        chaos::every_crash_point(|world| {
            let next = AtomicU64::new(1);
            let world = world.orchestrator(asks).activity(which_process).activity(charge);
            let world = world.hub(move |hub| hub.state(Process(next.fetch_add(1, Ordering::SeqCst)))).build();
            let _ = world.start(asks, ()).run_until_complete();
        });
    });
    assert!(complaint.contains("other activities are called"), "{complaint}");
    assert!(complaint.contains("only undisturbed: 'charge' with 1\n  only disturbed: 'charge' with 2"), "{complaint}");
}

#[test]
fn a_story_that_fails_tells_when() {
    let undisturbed = complaint(|| {
        chaos::every_crash_point(|world| {
            let world = world.orchestrator(pay).build();
            world.start(pay, 5).output()
        });
    });
    assert!(undisturbed.starts_with("the story fails undisturbed: "), "{undisturbed}");
    assert!(undisturbed.contains("the world has no answer"), "{undisturbed}");

    let disturbed = complaint(|| {
        chaos::every_crash_point(|world| {
            let world = world.orchestrator(pay).build();
            world.mock(charge).returns(7);
            let output = world.start(pay, 5).output();
            world.mock(charge).assert_called(1);
            output
        });
    });
    assert!(disturbed.contains("when the process dies just before commit"), "{disturbed}");
    assert!(disturbed.contains("'charge' was called 2 times instead of 1"), "{disturbed}");
}

#[test]
fn an_activity_that_a_mock_stands_for_goes_on_with_its_answer_after_a_crash() {
    let world = World::builder().orchestrator(pay).build();
    world.mock(charge).returns_in_turn([1, 2]);
    world.faults().crash(world.faults().commits() + 3);
    assert_eq!(world.start(pay, 5).output(), 1);
    assert_eq!(world.start(pay, 5).output(), 2);
    let calls = world.mock(charge).calls();
    assert_eq!(calls.iter().map(|call| call.delivery).collect::<Vec<_>>(), [1, 2, 1]);
}

#[test]
fn a_store_that_is_down_for_a_while_delays_and_loses_nothing() {
    let world = World::builder().orchestrator(pay).build();
    world.mock(charge).returns(7).takes(HOUR);
    let run = world.start(pay, 5);
    world.faults().fail_from(world.faults().commits() + 1);
    world.advance(2 * HOUR);
    assert!(!run.is_finished());
    let deadlock = run.run_until_complete().unwrap_err();
    assert!(deadlock.to_string().contains("waits for"), "{deadlock}");
    world.faults().heal();
    assert!(run.run_for(Duration::from_secs(10)));
    assert_eq!(run.output(), 7);
    world.mock(charge).assert_called(1);
}

#[orchestrator]
async fn naps(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(HOUR).await;
    Ok(())
}

#[orchestrator(name = "naps")]
async fn naps_longer(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(2 * HOUR).await;
    Ok(())
}

/// The engine tries a stalled instance again and again, and nobody must wait for that.
#[test]
fn who_waits_is_told_of_a_stalled_instance() {
    let stalls = |world: WorldBuilder| {
        let deployed = AtomicU64::new(0);
        let deploy = move |hub: durable_core::hub::TaskHubBuilder| match deployed.fetch_add(1, Ordering::SeqCst) {
            0 => hub.orchestrator(naps),
            _ => hub.orchestrator(naps_longer),
        };
        let world = world.hub(deploy).build();
        let run = world.start(naps, ());
        world.crash();
        run.run_until_complete().map(|status| status.runtime_status).unwrap_err().to_string()
    };
    let waits = stalls(World::builder().allows_stalls());
    assert!(waits.contains("it is stalled") && waits.contains("a timer for"), "{waits}");
    let complaint = complaint(|| drop(stalls(World::builder())));
    assert!(complaint.contains("(naps) is stalled"), "{complaint}");
}
