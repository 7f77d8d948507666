//! A world for tests: what shows afterwards what has happened.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use durable_core::prelude::*;
use durable_core::worker::VersionMatch;
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

/// Where the call is made that nobody awaits.
const FORGOTTEN: u32 = line!() + 4;

#[orchestrator]
async fn forgets(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    drop(ctx.call_activity(charge, 1));
    ctx.create_timer(DAY).await;
    Ok(())
}

#[orchestrator]
async fn takes_first(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    let (a, b) = (ctx.call_activity(charge, 1), ctx.call_activity(charge, 2));
    match select(a, b).await {
        Either::Left((first, _)) | Either::Right((first, _)) => first,
    }
}

#[test]
fn a_call_that_nobody_awaits_fails_the_test() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(forgets).activity(charge).build();
        world.start_as("f-1", forgets, ()).run_until_complete().unwrap();
    });
    let place = format!("world_evidence.rs:{FORGOTTEN}:");
    assert!(
        text.contains("'f-1' (forgets) forgot to await activity 'charge', called at ") && text.contains(&place),
        "{text}"
    );
    let world = World::builder().orchestrator(forgets).activity(charge).without_leak_checks().build();
    world.start(forgets, ()).run_until_complete().unwrap();
}

#[test]
fn an_event_that_nobody_reads_fails_the_test() {
    let late = |world: World| {
        world.mock(charge).returns(1).takes(DAY);
        let run = world.start_as("p-1", pay, 5);
        run.raise("Tip", &1);
        let _ = run.output();
    };
    let text = complaint(|| late(World::builder().orchestrator(pay).build()));
    assert!(text.contains("'p-1' (pay) has completed and never read event 'Tip'"), "{text}");
    late(World::builder().orchestrator(pay).without_leak_checks().build());
}

#[test]
fn ordinary_tests_leave_things_behind() {
    // A race that is lost, an answer that is not needed, an instance that waits, and a second event that is too late.
    let world =
        World::builder().orchestrator(takes_first).orchestrator(order).orchestrator(pay).activity(charge).build();
    let _ = world.start(takes_first, ()).output();
    let _waits = world.start(order, 5);
    world.mock(charge).returns_in_turn([1, 2, 3, 4]);
    let _ = world.start(pay, 5).output();
    let kinds: Vec<_> = world.leaks().iter().map(|leak| leak.kind).collect();
    assert_eq!(kinds, [durable_testing::world::LeakKind::Unfinished, durable_testing::world::LeakKind::UnusedAnswers]);
    let text = complaint(|| world.finish());
    assert!(text.contains("(order, Running) is not finished and waits for a timer at"), "{text}");
    assert!(text.contains("(called at durable-testing/tests/world_evidence.rs:"), "{text}");
    assert!(text.contains("the mock 'charge' has 3 more answers"), "{text}");
}

#[test]
fn a_complaint_that_nobody_has_asked_for_fails_the_test_at_its_end() {
    let text = complaint(|| {
        let world = World::builder().orchestrator(pay).build();
        // The client does not look for complaints.
        let client = world.client();
        tokio_free(client.start(pay, 5).id("p-1").into_future());
    });
    assert!(text.contains("'charge' was called by 'p-1'"), "{text}");
}

/// Runs what is ready at once.
fn tokio_free<T>(future: impl Future<Output = T>) {
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::pin!(future).poll(&mut context).is_ready());
}

#[orchestrator]
async fn foreign(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(DAY).await;
    std::future::pending::<()>().await;
    Ok(())
}

#[test]
fn a_foreign_await_fails_the_test_at_once() {
    let world = World::builder().orchestrator(foreign).build();
    let run = world.start_as("f-1", foreign, ());
    let text = complaint(|| world.advance(DAY));
    assert!(text.contains("'f-1' (foreign) has failed: the orchestrator awaits something"), "{text}");
    let world = World::builder().orchestrator(foreign).allows_stalls().build();
    assert_eq!(world.start(foreign, ()).failure().error_type, "ForeignAwait");
    drop(run);
}

#[test]
fn a_stalled_instance_fails_the_test_at_once() {
    let world = || World::builder().orchestrator(pay).hub(|hub| hub.version("1").version_match(VersionMatch::Strict));
    let start = |world: &World| {
        let client = world.client();
        tokio_free(client.start(pay, 5).id("p-1").version("9").into_future());
        world.run_until_blocked();
    };
    let text = complaint(|| start(&world().build()));
    assert!(
        text.contains("'p-1' (pay) is stalled: the instance has the version 9, and this worker of version 1"),
        "{text}"
    );
    let world = world().allows_stalls().build();
    start(&world);
    let stalled = world.instance::<u64>("p-1").status().stalled.unwrap();
    assert!(stalled.contains("the instance has the version 9"), "{stalled}");
}

/// Loses its cents.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
struct Price {
    euros: u64,
    #[serde(skip_deserializing)]
    cents: u64,
}

#[activity]
async fn quote(euros: u64) -> Result<Price, ActivityError> {
    Ok(Price { euros, cents: 50 })
}

#[orchestrator]
async fn buy(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    Ok(ctx.call_activity(quote, 3).await?.euros)
}

#[orchestrator]
async fn resell(_ctx: OrchestrationContext, price: Price) -> Result<u64, OrchestratorError> {
    Ok(price.euros)
}

#[orchestrator]
async fn resell_again(
    _ctx: OrchestrationContext,
    euros: Option<Price>,
) -> Result<Next<u64, Option<Price>>, OrchestratorError> {
    Ok(match euros {
        None => Next::continue_as_new(Some(Price { euros: 3, cents: 50 })),
        Some(price) => Next::Complete(price.euros),
    })
}

#[test]
fn a_type_that_does_not_survive_json_fails_the_test() {
    let expected = "the result of activity 'quote' does not survive JSON: {\"euros\":3,\"cents\":50} is read, and \
                    written again it is {\"euros\":3,\"cents\":0}";
    let world = World::builder().orchestrator(buy).activity(quote).build();
    let text = complaint(|| world.start(buy, ()).output());
    assert!(text.contains(expected), "{text}");
    let world = World::builder().orchestrator(buy).build();
    world.mock(quote).returns(Price { euros: 3, cents: 50 });
    let text = complaint(|| world.start(buy, ()).output());
    assert!(text.contains(expected), "{text}");
    let world = World::builder().orchestrator(resell).build();
    let text = complaint(|| world.start(resell, Price { euros: 3, cents: 50 }));
    assert!(text.contains("the input of 'resell' does not survive JSON"), "{text}");
    let world = World::builder().orchestrator(resell_again).build();
    let text = complaint(|| _ = world.start(resell_again, None).output());
    assert!(text.contains("the next input of 'resell_again' does not survive JSON"), "{text}");
    let world = World::builder().orchestrator(buy).activity(quote).without_round_trip_checks().build();
    assert_eq!(world.start(buy, ()).output(), 3);
}

#[orchestrator]
async fn talks(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    tracing::info!("begins");
    ctx.create_timer(DAY).await;
    tracing::warn!(days = 1, "ends");
    Ok(())
}

#[test]
fn logs_are_kept_and_replays_are_marked() {
    let said = |world: &World| -> Vec<_> {
        let own = world.logs().into_iter().filter(|event| event.target == "world_evidence");
        own.map(|event| (event.message.clone(), event.is_replay, event.instance().map(ToOwned::to_owned))).collect()
    };
    let live = |message: &str, instance: &str| (message.to_owned(), false, Some(instance.to_owned()));
    let world = World::builder().orchestrator(talks).keeps_logs().build();
    world.start_as("t-1", talks, ()).run_until_complete().unwrap();
    assert_eq!(said(&world), [live("begins", "t-1"), live("ends", "t-1")], "the checks say nothing");
    let ends = world.logs().into_iter().find(|event| event.message == "ends").unwrap();
    assert_eq!(
        (ends.level, ends.field("days"), ends.field("function")),
        (tracing::Level::WARN, Some("1"), Some("talks"))
    );
    assert_eq!(world.now().saturating_since(ends.at), Duration::ZERO);
    assert_eq!(world.elapsed(), DAY);
    // Only the second stays in memory, so the first turn of the other is replayed.
    let world = World::builder().orchestrator(talks).hub(|hub| hub.warm_instances(1)).keeps_logs().build();
    let (_first, _second) = (world.start_as("t-1", talks, ()), world.start_as("t-2", talks, ()));
    world.advance(DAY);
    let replay = ("begins".to_owned(), true, None);
    let expected = [live("begins", "t-1"), live("begins", "t-2"), live("ends", "t-2"), replay, live("ends", "t-1")];
    assert_eq!(said(&world), expected);
    let text = complaint(|| World::builder().build().logs());
    assert!(text.contains("build it with `keeps_logs`"), "{text}");
}

/// Continues as new twice, with a result from before the end that is consumed in the last turn.
#[orchestrator]
async fn rounds(ctx: OrchestrationContext, round: u64) -> Result<Next<u64, u64>, OrchestratorError> {
    ctx.create_timer(DAY).await;
    let more = ctx.call_activity(charge, 10 * round).await?;
    Ok(if round < 3 { Next::continue_as_new(round + 1) } else { Next::Complete(more) })
}

#[test]
fn a_timeline_has_all_executions() {
    for crashes in [false, true] {
        let world = World::builder().orchestrator(rounds).activity(charge).without_replay_checks().build();
        let run = world.start_as("r-1", rounds, 1);
        if crashes {
            let faults = world.faults();
            faults.crash(faults.commits() + 2);
        }
        assert_eq!(run.output(), 30);
        let expected = "\
+0d 00:00:00 .. +1d 00:00:00  |==============                          | r-1 (rounds) 1: ContinuedAsNew
+0d 00:00:00 .. +1d 00:00:00  |==============                          |   timer #0 +1d 00:00:00: fired
+1d 00:00:00 .. +1d 00:00:00  |             =                          |   charge #1 10: 10
+1d 00:00:00 .. +2d 00:00:00  |             ==============             | r-1 (rounds) 2: ContinuedAsNew
+1d 00:00:00 .. +2d 00:00:00  |             ==============             |   timer #0 +1d 00:00:00: fired
+2d 00:00:00 .. +2d 00:00:00  |                          =             |   charge #1 20: 20
+2d 00:00:00 .. +3d 00:00:00  |                          ==============| r-1 (rounds) 3: Completed 30
+2d 00:00:00 .. +3d 00:00:00  |                          ==============|   timer #0 +1d 00:00:00: fired
+3d 00:00:00 .. +3d 00:00:00  |                                       =|   charge #1 30: 30
";
        if !crashes {
            assert_eq!(world.timeline().to_string(), expected);
        }
        assert_eq!(world.timeline().to_string().matches("ContinuedAsNew").count(), 2);
        let diagram = world.timeline().mermaid();
        assert_eq!(diagram.matches("start rounds").count(), 1, "{diagram}");
        assert_eq!(world.fork().timeline().to_string(), world.timeline().to_string());
        let past = world.at(&run, 0).unwrap();
        past.run_until_blocked();
        assert_eq!(past.timeline().to_string().matches("ContinuedAsNew").count(), 2, "{}", past.timeline());
        assert_eq!(past.instance_of(&run).output(), 30);
        assert_eq!(past.timeline().to_string(), world.timeline().to_string());
    }
}

#[test]
fn a_run_is_kept_as_json() {
    let (world, run) = ordered();
    world.assert_golden("tests/golden/world.json");
    let json = run.snapshot_json();
    assert_eq!(json["executions"][0][0]["event"], "ExecutionStarted");
    assert_eq!(json["output"], 8);
    let twin = ordered().0;
    assert_eq!(twin.snapshot_json(), world.snapshot_json(), "ids and times are the same in every run");

    let world = World::builder().orchestrator(rounds).activity(charge).build();
    let run = world.start_as("r-1", rounds, 1);
    assert_eq!(run.output(), 30);
    let json = run.snapshot_json();
    let executions = json["executions"].as_array().unwrap();
    assert_eq!(executions.len(), 3);
    assert_eq!(executions[0][3]["event"], "TaskScheduled");
    let last = executions[0].as_array().unwrap().last().unwrap();
    let expected = serde_json::json!({
        "at": "+1d 00:00:00",
        "event": "ExecutionCompleted",
        "name": "ContinuedAsNew",
        "value": 2,
    });
    assert_eq!(last, &expected);
}

#[orchestrator]
async fn hoards(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    loop {
        let text: String = ctx.wait_for_external_event("Text").await?;
        ctx.call_activity(keep, text).await?;
    }
}

#[activity]
async fn keep(text: String) -> String {
    text
}

#[test]
fn growth_is_told_by_turns_and_payloads() {
    let world = World::builder().orchestrator(hoards).orchestrator(rounds).activity(charge).activity(keep).build();
    let run = world.start_as("h-1", hoards, ());
    for n in 0..50 {
        run.raise("Text", &"x".repeat(if n == 20 { 20_000 } else { 100 }));
    }
    assert_eq!(world.start_as("r-1", rounds, 1).output(), 30);
    let growth = world.growth();
    let text = growth.to_string();
    let longest = growth.longest().unwrap();
    assert_eq!((longest.instance.as_str(), longest.turns.len()), ("h-1", 101));
    assert!(longest.may_grow_for_ever() && longest.bytes() > 60_000 && longest.events() == 151, "{text}");
    assert_eq!(growth.executions().len(), 4);
    assert!(
        growth.executions()[1..].iter().all(|execution| execution.is_over && !execution.may_grow_for_ever()),
        "{text}"
    );
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines[0], format!("'h-1' (hoards): 101 turns, 151 events, {:.1} KB", longest.bytes() as f64 / 1_000.0));
    assert!(lines[1].starts_with("  turn 1 ") && lines[3].starts_with("  turns 3 to 4 "), "{text}");
    assert!(
        text.contains(" 20.0 KB  the result of 'keep' #20, called at durable-testing/tests/world_evidence.rs:"),
        "{text}"
    );
    assert!(text.contains("'r-1' (rounds), execution 3: "), "{text}");
    assert!(text.contains("its history may grow without bound"), "{text}");
}
