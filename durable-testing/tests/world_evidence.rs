//! A world for tests: what shows afterwards what has happened.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::{World, assert_history};

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// What a test says when it fails.
fn complaint<T>(story: impl FnOnce() -> T) -> String {
    let Err(panic) = catch_unwind(AssertUnwindSafe(story)) else { panic!("the story has not failed") };
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap()
}

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let policy = RetryPolicy::fixed(2, Duration::from_secs(60));
    ctx.call_activity(charge, amount).retry(policy).await
}

#[orchestrator]
async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.create_timer(3 * DAY).await;
    let paid = ctx.call_sub_orchestrator(pay, amount).await?;
    let tip: u64 = ctx.wait_for_external_event("Tip").await?;
    Ok(paid + tip)
}

fn ordered() -> (World, durable_testing::world::Instance<u64>) {
    let world = World::builder().orchestrator(order).orchestrator(pay).build();
    world.mock(charge).fails("the bank is closed").returns(7);
    let run = world.start(order, 5);
    world.advance(4 * DAY);
    run.raise("Tip", &1);
    assert_eq!(run.output(), 8);
    (world, run)
}

#[test]
fn a_history_is_compared_with_a_pattern() {
    let (_world, run) = ordered();
    assert_history!(
        run,
        [
            ExecutionStarted("order", 5),
            TimerCreated("+3d 00:00:00"),
            TimerFired,
            SubOrchestrationInstanceCreated("pay", 5),
            SubOrchestrationInstanceCompleted("pay", 7),
            EventRaised("tip", 1),
            ExecutionCompleted("Completed", 8),
        ]
    );
    assert_history!(run, [ExecutionStarted, .., EventRaised, ..]);
    assert_history!(run.history(), [.., ExecutionCompleted, ..]);
    assert_history!(run, [OrchestratorStarted, ExecutionStarted, .., ExecutionCompleted, OrchestratorCompleted]);
}

#[test]
fn the_first_difference_to_a_pattern_is_marked() {
    let (_world, run) = ordered();
    let text = complaint(|| assert_history!(run, [ExecutionStarted, TimerCreated, TaskScheduled("charge"), ..]));
    assert!(
        text.contains("  TimerCreated #0 +3d 00:00:00\n- expected: TaskScheduled(\"charge\")\n+ TimerFired #0"),
        "{text}"
    );
    let text = complaint(|| assert_history!(run, [.., EventRaised("tip", 2), ..]));
    assert!(text.contains("- expected: EventRaised(\"tip\", 2), at any later place, and it never comes"), "{text}");
    let text = complaint(|| assert_history!(run, [.., EventRaised]));
    assert!(text.contains("- expected: the end of the history\n+ ExecutionCompleted Completed 8"), "{text}");
    let text = complaint(|| assert_history!(run, [.., EventRaised, ExecutionCompleted, TaskFailed]));
    assert!(text.contains("ExecutionCompleted Completed 8\n- expected: TaskFailed\n"), "{text}");
}

#[test]
fn a_golden_file_is_the_same_in_every_run() {
    for _ in 0..3 {
        let (world, run) = ordered();
        run.assert_golden("tests/golden/order.txt");
        world.assert_golden("tests/golden/world.txt");
    }
}

#[test]
fn a_timeline_shows_what_happened_when() {
    let (world, _run) = ordered();
    let timeline = world.timeline();
    println!("{timeline}\n{}", timeline.mermaid());
    let expected = "\
+0d 00:00:00 .. +4d 00:00:00  |========================================| <id 1> (order) 5: Completed 8
+0d 00:00:00 .. +3d 00:00:00  |==============                          |   timer #0 +3d 00:00:00: fired
+3d 00:00:00 .. +3d 00:01:00  |             ==============             |   child <id 1>:<id 2>:0001 #1 5: 7
+4d 00:00:00 .. +4d 00:00:00  |                                       =|   event Tip 1
+3d 00:00:00 .. +3d 00:01:00  |             ==============             | <id 1>:<id 2>:0001 (pay) 5: Completed 7
+3d 00:00:00 .. +3d 00:00:00  |             =                          |   charge #0 5: failed, \"the bank is closed\"
+3d 00:00:00 .. +3d 00:01:00  |             ==============             |   timer #1 +0d 00:01:00: fired
+3d 00:01:00 .. +3d 00:01:00  |                          =             |   charge #2 5: 7
";
    assert_eq!(timeline.to_string(), expected);
}

#[test]
fn a_timeline_is_a_sequence_diagram_as_well() {
    let (world, _run) = ordered();
    let diagram = world.timeline().mermaid();
    for line in ["sequenceDiagram", "participant client", "participant p2 as charge"] {
        assert!(diagram.contains(line), "{line} in {diagram}");
    }
    let called = diagram.find("    p1->>p2: 5\n    p2--xp1: \"the bank is closed\"\n").unwrap();
    let paid = diagram.find("    p1-->>p0: 7\n").unwrap();
    assert!(called < paid, "{diagram}");
}

#[test]
fn a_timeline_of_what_goes_on_is_open() {
    let world = World::builder().orchestrator(pay).build();
    world.mock(charge).hangs();
    let _run = world.start_as("p-1", pay, 5);
    world.advance(DAY);
    let text = world.timeline().to_string();
    let width = 40;
    let bar = "=".repeat(width);
    assert_eq!(
        text,
        format!(
            "+0d 00:00:00 ..               |{bar}| p-1 (pay) 5: Running\n\
             +0d 00:00:00 ..               |{bar}|   charge #0 5: open\n"
        )
    );
}
