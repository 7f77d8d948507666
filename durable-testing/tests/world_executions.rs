//! A world for tests: all executions of an instance that continues as new, and going back into earlier ones.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::recorded::RecordedHistory;
use durable_testing::world::{Execution, Instance, WorldBuilder};
use durable_testing::{World, assert_history};

const HOUR: Duration = Duration::from_secs(3_600);

#[activity]
async fn double(number: u64) -> u64 {
    2 * number
}

/// Adds up what it is told, in three executions: a number within an hour, or 1.
#[orchestrator]
async fn adds(ctx: OrchestrationContext, so_far: Vec<u64>) -> Result<Next<Vec<u64>, Vec<u64>>, OrchestratorError> {
    ctx.set_custom_status(&so_far.len())?;
    let told = ctx.wait_for_external_event::<u64>("Number").timeout_or(HOUR, 1).await?;
    let doubled = ctx.call_activity(double, told).await?;
    let so_far: Vec<u64> = so_far.into_iter().chain([doubled]).collect();
    Ok(if so_far.len() < 3 { Next::continue_as_new(so_far) } else { Next::Complete(so_far) })
}

/// Has a child that continues as new, and looks after it each hour.
#[orchestrator]
async fn above(ctx: OrchestrationContext) -> Result<Vec<u64>, OrchestratorError> {
    let below = ctx.call_sub_orchestrator(adds, Vec::new()).id("below");
    let hours = async {
        for _ in 0..2 {
            ctx.create_timer(HOUR + HOUR / 4).await;
        }
    };
    join(below, hours).await.0
}

fn builder() -> WorldBuilder {
    World::builder().orchestrator(adds).orchestrator(above).activity(double)
}

fn kinds(execution: &Execution) -> Vec<&'static str> {
    let names = execution.history().iter().map(|event| event.kind.name());
    names.filter(|name| !matches!(*name, "OrchestratorStarted" | "OrchestratorCompleted")).collect()
}

#[test]
fn every_execution_has_its_whole_history() {
    let world = builder().build();
    let run = world.start_as("a", adds, Vec::new());
    world.advance(HOUR / 2);
    let [only] = &run.executions()[..] else { panic!() };
    assert!(only.is_current() && only.history() == run.history());
    run.raise("Number", &5);
    world.crash();
    assert_eq!(run.output(), [10, 2, 2]);

    let executions = run.executions();
    let inputs: Vec<_> = executions.iter().map(Execution::input::<Vec<u64>>).collect();
    assert_eq!(inputs, [vec![], vec![10], vec![10, 2]]);
    assert_eq!(executions.iter().map(Execution::generation).collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(executions.iter().map(Execution::is_current).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(executions[2].history(), run.history());
    assert_eq!(*executions[2].id(), run.status().execution_id);
    assert_eq!(
        kinds(&executions[0]),
        [
            "ExecutionStarted",
            "TimerCreated",
            "EventRaised",
            "TaskScheduled",
            "TaskCanceled",
            "TaskCompleted",
            "ExecutionCompleted"
        ]
    );
    assert_history!(
        executions[1],
        [ExecutionStarted("adds", [10]), TimerCreated, TimerFired, .., ExecutionCompleted("ContinuedAsNew", [10, 2])]
    );
    assert!(executions[1].history_text().starts_with("+0d 00:30:00  ExecutionStarted adds [10]\n"));
    // What an execution has done first is what the store said of it while it lasted.
    assert!(executions[0].history().starts_with(only.history()));
    assert_eq!(executions[0].id(), only.id());
}

#[test]
fn from_every_event_of_every_execution_the_story_goes_on_to_the_same_end() {
    let world = builder().build();
    let run = world.start_as("top", above, ());
    world.advance(HOUR / 2);
    let below: Instance<Vec<u64>> = world.instance("below");
    below.raise("Number", &5);
    assert_eq!(run.output(), [10, 2, 2]);
    let (elapsed, executions) = (world.elapsed(), below.executions());
    assert_eq!(executions.len(), 3);
    for (at, execution) in executions.iter().enumerate() {
        let history = execution.history();
        for events in 0..=history.len() {
            let past = world.at_execution(execution, events).unwrap();
            let there = past.instance_of(&below).executions();
            let is_over = !execution.is_current() && events == history.len();
            assert_eq!(there.len(), at + 1 + usize::from(is_over), "{at} {events}");
            if is_over {
                assert_eq!(there[at].history(), history, "{at} {events}");
                assert_eq!(past.instance_of(&below).history(), [], "{at} {events}: the next one has not begun");
            } else {
                assert!(history.starts_with(there[at].history()), "{at} {events}");
                assert!(there[at].history().len() <= events, "{at} {events}");
            }
            if at == 0 && past.elapsed() < HOUR / 2 {
                past.advance(HOUR / 2);
                past.instance_of(&below).raise("Number", &5);
            }
            assert_eq!(past.instance_of(&run).output(), [10, 2, 2], "{at} {events}");
            assert_eq!(past.elapsed(), elapsed, "{at} {events}");
            assert_eq!(past.instance_of(&below).executions().len(), 3, "{at} {events}");
        }
    }
}

fn fired(execution: &Execution) -> usize {
    execution.history().iter().position(|event| event.kind.name() == "TimerFired").unwrap()
}

#[test]
fn an_earlier_execution_may_end_in_another_way() {
    let world = builder().build();
    let run = world.start(adds, Vec::new());
    assert_eq!(run.output(), [2, 2, 2]);
    let second = &run.executions()[1];
    let past = world.at_execution(second, fired(second)).unwrap();
    assert_eq!(past.elapsed(), HOUR);
    let run = past.instance_of(&run);
    assert_eq!(run.custom_status::<usize>(), Some(1));
    run.raise("Number", &50);
    assert_eq!(run.output(), [2, 100, 2]);
    // The first one has happened, and what followed in the other world has not.
    let inputs: Vec<_> = run.executions().iter().map(Execution::input::<Vec<u64>>).collect();
    assert_eq!(inputs, [vec![], vec![2], vec![2, 100]]);
    let first = &run.executions()[0];
    let further = past.at_execution(first, fired(first)).unwrap();
    further.instance_of(&run).raise("Number", &7);
    assert_eq!(further.instance_of(&run).output(), [14, 2, 2]);
}

#[test]
fn worlds_of_recorded_histories_know_what_has_happened_since() {
    let recorder = builder().build();
    let (run, other) = (recorder.start_as("a", adds, Vec::new()), recorder.start_as("b", adds, Vec::new()));
    recorder.advance(HOUR + HOUR / 2);
    let files = [recorder.record(&run).to_json(), recorder.record(&other).to_json()];
    let files = files.map(|file| RecordedHistory::from_json(&file).unwrap());
    let world = builder().from_histories(&files).unwrap();
    let (run, other) = (world.instance_of(&run), world.instance_of(&other));
    run.raise("Number", &5);
    assert_eq!(run.output(), [2, 10, 2]);
    let executions = run.executions();
    assert_eq!(
        executions.iter().map(Execution::generation).collect::<Vec<_>>(),
        [1, 2],
        "nobody has told of the first"
    );

    // A moment that was before this world.
    assert_eq!(other.output(), [2, 2, 2]);
    for events in 0..=4 {
        let past = world.at_execution(&executions[0], events).unwrap();
        let there = past.instance_of(&run);
        assert_eq!(there.executions().len(), 1);
        assert!(executions[0].history().starts_with(&there.history()), "{events}");
        assert_eq!(there.custom_status::<usize>(), (events == 4).then_some(1), "{events}");
        there.raise("Number", &7);
        assert_eq!(there.output(), [2, 14, 2], "{events}");
    }
    // The others stand in the executions that they had then.
    let past = world.at_execution(&executions[0], fired_or_raised(&executions[0])).unwrap();
    let other = past.instance_of(&other);
    assert_eq!(other.executions().last().unwrap().generation(), 1);
    assert!(!other.is_finished());
    assert_eq!(other.output(), [2, 2, 2]);
}

fn fired_or_raised(execution: &Execution) -> usize {
    let is_message = |name: &str| matches!(name, "TimerFired" | "EventRaised");
    execution.history().iter().position(|event| is_message(event.kind.name())).unwrap()
}

#[test]
fn executions_of_an_earlier_instance_belong_to_that() {
    let world = builder().build();
    let begin = world.now();
    let first = world.start_as("a", adds, Vec::new());
    assert_eq!(first.output(), [2, 2, 2]);
    let old = first.executions();
    world.advance(HOUR);
    let again = world.start_as("a", adds, vec![8]);
    assert_eq!(again.output(), [8, 2, 2]);
    let inputs: Vec<_> = again.executions().iter().map(Execution::input::<Vec<u64>>).collect();
    assert_eq!(inputs, [vec![8], vec![8, 2]]);
    let past = world.at_time(begin.saturating_add(2 * HOUR + HOUR / 2)).unwrap();
    assert_eq!(past.instance_of(&first).executions().len(), 3);
    let unknown = catch_unwind(AssertUnwindSafe(|| world.at_execution(&old[0], 1))).unwrap_err();
    assert_eq!(unknown.downcast_ref::<String>().unwrap(), "this world does not know execution 1 of 'a'");
}

#[cfg(feature = "sqlite")]
#[test]
fn executions_are_known_whatever_the_store() {
    durable_testing::world::on_every_store(|world| {
        let world = world.orchestrator(adds).activity(double).build();
        let run = world.start_as("a", adds, Vec::new());
        world.advance(HOUR);
        world.crash();
        run.raise("Number", &5);
        assert_eq!(run.output(), [2, 10, 2]);
        run.executions().iter().map(Execution::history_text).collect::<Vec<_>>()
    });
}
