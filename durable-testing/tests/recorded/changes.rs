//! Each change of the code, and what the report says of it.

use super::*;

/// The place in these files where a text stands, but for the lines that ask.
fn line_of(text: &str) -> String {
    let files = [("main.rs", include_str!("main.rs")), ("changes.rs", include_str!("changes.rs"))];
    let lines = files.iter().flat_map(|(file, source)| source.lines().enumerate().map(move |line| (file, line)));
    let mut places = lines.filter(|(_, (_, line))| line.contains(text) && !line.contains("line_of"));
    let (file, (line, _)) = places.next().unwrap();
    format!("{file}:{}:", line + 1)
}

#[orchestrator]
async fn added(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    ctx.call_activity(send_mail, "thanks".to_owned()).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(charge, amount).await
}

#[test]
fn an_added_call() {
    let recorded = ordered();
    let report = recorded.replay(added).unwrap_err();
    assert_eq!((report.turn(), report.recorded()), (Some(2), None));
    let produced = report.produced().unwrap();
    assert_eq!(produced.what, "activity 'send_mail' with input \"thanks\"");
    assert!(produced.source.as_ref().unwrap().to_string().contains(&line_of("\"thanks\".to_owned()")));
    // Behind the result of `reserve`, where the turn ended.
    assert_eq!(report.event_index(), Some(index(&recorded, "TaskScheduled", "reserve") + 4));
    let text = report.to_string();
    assert!(
        text.starts_with("instance 'order-7' of orchestrator 'order' does not replay: turn 2, event 6, #1"),
        "{text}"
    );
    assert!(text.contains("\n  recorded: nothing\n"), "{text}");
    assert!(text.contains("the last call before it: #0, activity 'reserve' (at "), "{text}");
}

#[orchestrator]
async fn removed(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(charge, amount).await
}

#[test]
fn a_removed_call() {
    let recorded = ordered();
    let report = recorded.replay(removed).unwrap_err();
    assert_eq!((report.turn(), report.produced()), (Some(1), None));
    let side = report.recorded().unwrap();
    assert_eq!(side.what, "activity 'reserve' with input 5");
    assert!(side.source.as_ref().unwrap().to_string().contains(&line_of("ctx.call_activity(reserve, amount).await?;")));
    assert_eq!(report.event_index(), Some(index(&recorded, "TaskScheduled", "reserve")));
    assert!(report.to_string().contains("the code waits for event 'paid'"), "{report}");
}

#[activity]
async fn bill(amount: u64) -> u64 {
    amount
}

#[orchestrator]
async fn renamed(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(bill, amount).await
}

#[test]
fn a_changed_name() {
    let recorded = ordered();
    let report = recorded.replay(renamed).unwrap_err();
    assert_eq!(report.event_index(), Some(index(&recorded, "TaskScheduled", "charge")));
    assert_eq!(report.recorded().unwrap().what, "activity 'charge' with input 5");
    assert_eq!(report.produced().unwrap().what, "activity 'bill' with input 5");
    assert!(report.to_string().contains(&line_of("ctx.call_activity(bill, amount)")), "{report}");
}

#[orchestrator]
async fn two_calls(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let (_, charged) = join(ctx.call_activity(reserve, amount), ctx.call_activity(charge, amount)).await;
    charged
}

#[orchestrator]
async fn other_way_round(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    let (charged, _) = join(ctx.call_activity(charge, amount), ctx.call_activity(reserve, amount)).await;
    charged
}

#[test]
fn a_changed_order() {
    let world = World::builder().orchestrator(two_calls).activity(reserve).activity(charge).build();
    let recorded = world.record(&world.start(two_calls, 5));
    recorded.replay(two_calls).unwrap();
    let report = recorded.replay(other_way_round).unwrap_err();
    assert_eq!(report.event_index(), Some(index(&recorded, "TaskScheduled", "reserve")));
    assert_eq!(report.recorded().unwrap().what, "activity 'reserve' with input 5");
    assert_eq!(report.produced().unwrap().what, "activity 'charge' with input 5");
}

#[orchestrator]
async fn other_event(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    ctx.wait_for_external_event::<()>("Payment").await?;
    ctx.call_activity(charge, amount).await
}

#[test]
fn a_renamed_event() {
    let report = ordered().replay(other_event).unwrap_err();
    assert_eq!(report.recorded().unwrap().what, "activity 'charge' with input 5");
    assert_eq!(report.produced(), None);
    let text = report.to_string();
    assert!(text.contains("the code waits for event 'payment'"), "{text}");
    assert!(text.contains("nobody has waited for event 'Paid'"), "{text}");
}

#[test]
fn a_renamed_event_that_has_not_come_is_in_no_history() {
    let world = World::builder().orchestrator(order).activity(reserve).build();
    world.record(&world.start(order, 5)).replay(other_event).unwrap();
}

#[orchestrator]
async fn other_input(_ctx: OrchestrationContext, _customer: Customer) -> Result<u64, OrchestratorError> {
    Ok(1)
}

#[test]
fn an_input_that_is_not_read_any_more_says_why() {
    let report = ordered().replay(other_input).unwrap_err();
    let end = &report.produced().unwrap().what;
    assert!(end.starts_with("the end of the orchestration as Failed, "), "{end}");
    assert!(end.contains("invalid type"), "{end}");
}

#[orchestrator]
async fn foreign(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    std::future::pending::<()>().await;
    Ok(1)
}

#[test]
fn a_foreign_await() {
    let report = ordered().replay(foreign).unwrap_err();
    assert_eq!((report.turn(), report.recorded(), report.produced()), (Some(2), None, None));
    assert!(!report.fault().unwrap().is_non_determinism());
    assert!(report.to_string().contains("awaits something that is not durable"), "{report}");
}

#[orchestrator(name = "order")]
async fn patched(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    if ctx.patched("thank") {
        ctx.call_activity(send_mail, "thank you".to_owned()).await?;
    }
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(charge, amount).await
}

#[test]
fn a_patched_orchestrator_fits_what_it_did_before_and_since() {
    ordered().replay(patched).unwrap();
    let world = World::builder().orchestrator(patched).activity(reserve).activity(charge).activity(send_mail).build();
    let run = world.start(patched, 5);
    run.raise("Paid", &());
    assert_eq!(run.output(), 5);
    let since = world.record(&run);
    since.replay(patched).unwrap();
    let report = since.replay(order).unwrap_err();
    assert_eq!(report.recorded().unwrap().what, "activity 'send_mail' with input \"thank you\"");
}
