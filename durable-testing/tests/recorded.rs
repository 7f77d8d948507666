//! Recorded histories: files, replays against changed code, redaction, live instances.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::recorded::{
    Deployment, PlaceKind, RecordedHistory, RecordingErrorKind, Redaction, Verdict, check_live,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Customer {
    name: String,
    mail: String,
    limit: u64,
}

#[activity]
async fn reserve(amount: u64) -> Result<String, ActivityError> {
    Ok(format!("r-{amount}"))
}

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    if amount == 13 { Err(ActivityError::msg("no such luck for Ada Lovelace")) } else { Ok(amount) }
}

#[activity]
async fn send_mail(text: String) -> String {
    text
}

#[orchestrator]
async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(charge, amount).await
}

/// The history of an `order` that has come to its end.
fn ordered() -> RecordedHistory {
    let world = World::builder().orchestrator(order).activity(reserve).activity(charge).build();
    let run = world.start_as("order-7", order, 5);
    run.raise("Paid", &());
    assert_eq!(run.output(), 5);
    world.record(&run)
}

/// The index of the event of this kind for a function of this name.
fn index(recorded: &RecordedHistory, kind: &str, name: &str) -> usize {
    let is_it = |event: &durable_core::history::HistoryEvent| {
        event.kind.name() == kind && serde_json::to_string(event).unwrap().contains(&format!("\"name\":\"{name}\""))
    };
    recorded.events().iter().position(is_it).unwrap()
}

/// The line of this file in which a text stands, but for the line that asks.
fn line_of(text: &str) -> String {
    let lines = include_str!("recorded.rs").lines();
    let line = lines.enumerate().find(|(_, line)| line.contains(text) && !line.contains("line_of")).unwrap().0 + 1;
    format!("recorded.rs:{line}:")
}

mod files {
    use super::*;

    #[test]
    fn a_history_survives_its_file() {
        let recorded = ordered();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/folder/order.json");
        recorded.save(&path).unwrap();
        let read = RecordedHistory::load(&path).unwrap();
        assert_eq!(read, recorded);
        assert_eq!(read.to_json(), std::fs::read_to_string(&path).unwrap());
        assert_eq!((read.header().name.as_str(), read.header().instance.as_str()), ("order", "order-7"));
        read.replay(order).unwrap();
    }

    #[test]
    fn the_format_stays_as_it_is() {
        let text = include_str!("histories/order.json");
        let recorded = RecordedHistory::from_json(text).unwrap();
        assert_eq!(recorded.to_json(), text);
        assert_eq!(recorded.events().len(), text.lines().filter(|line| line.starts_with("    {")).count());
    }

    #[test]
    fn what_the_http_api_answers_is_read_too() {
        let recorded = ordered();
        let answer = serde_json::to_string(recorded.events()).unwrap();
        assert_eq!(RecordedHistory::from_json(&answer).unwrap(), recorded);
    }

    #[test]
    fn other_versions_are_refused_with_a_remedy() {
        let with = |version: &str| ordered().to_json().replace("\"version\": 1,", &format!("\"version\": {version},"));
        let old = RecordedHistory::from_json(&with("0")).unwrap_err();
        assert!(old.is_unknown_version());
        assert_eq!(
            old.to_string(),
            "the history was recorded in version 0 of the format, and this program reads version 1: record it once more"
        );
        let new = RecordedHistory::from_json(&with("2")).unwrap_err();
        assert_eq!(*new.kind(), RecordingErrorKind::UnknownVersion { version: 2 });
        assert!(new.to_string().contains("use the newer durable-testing"), "{new}");
    }

    #[test]
    fn garbage_is_refused_with_the_reason() {
        let refused = |text: &str| RecordedHistory::from_json(text).unwrap_err();
        for text in ["", "hello", "{}", "{\"format\": \"har\", \"version\": 1}", "[1]", "17"] {
            assert!(refused(text).is_garbage(), "{text}");
        }
        let broken = ordered().to_json().replacen("TaskScheduled", "TaskTeleported", 1);
        let error = refused(&broken);
        assert!(error.is_garbage());
        assert!(error.to_string().contains("event 2: ") && error.to_string().contains("TaskTeleported"), "{error}");
        assert!(refused("{\"format\": \"durable-history\", \"version\": 1}").to_string().contains("no 'events'"));
    }

    #[test]
    fn a_history_without_its_beginning_is_refused() {
        assert!(RecordedHistory::from_json("[]").unwrap_err().to_string().contains("after its first turn"));
        let events = ordered().events().to_vec();
        let without_start: Vec<_> = events.iter().filter(|e| e.kind.name() != "ExecutionStarted").cloned().collect();
        assert!(RecordedHistory::from_events(without_start).unwrap_err().is_incomplete());
        let error = RecordedHistory::from_events(events[1..].to_vec()).unwrap_err();
        assert!(error.to_string().contains("outside of every turn"), "{error}");
    }

    #[test]
    fn a_file_error_names_the_file() {
        let error = RecordedHistory::load("tests/histories/nothing.json").unwrap_err();
        assert_eq!(
            (error.kind(), error.path().unwrap().to_str()),
            (&RecordingErrorKind::File, Some("tests/histories/nothing.json"))
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        std::fs::write(&path, "{").unwrap();
        assert!(RecordedHistory::load(&path).unwrap_err().to_string().contains("a.json: this is no recorded history"));
    }

    #[tokio::test]
    async fn a_client_is_recorded() {
        let world = World::builder().orchestrator(order).activity(reserve).build();
        let client = world.client();
        let run = client.start(order, 5).await.unwrap();
        let recorded = RecordedHistory::from_client(&client, run.id()).await.unwrap();
        assert_eq!(recorded, world.record(&world.instance::<u64>(run.id().as_str())));
        let nobody = InstanceId::new("nobody").unwrap();
        assert!(RecordedHistory::from_client(&client, &nobody).await.unwrap_err().is_not_found());
    }
}

mod changes {
    use super::*;

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
        assert!(
            side.source.as_ref().unwrap().to_string().contains(&line_of("ctx.call_activity(reserve, amount).await?;"))
        );
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
        let world =
            World::builder().orchestrator(patched).activity(reserve).activity(charge).activity(send_mail).build();
        let run = world.start(patched, 5);
        run.raise("Paid", &());
        assert_eq!(run.output(), 5);
        let since = world.record(&run);
        since.replay(patched).unwrap();
        let report = since.replay(order).unwrap_err();
        assert_eq!(report.recorded().unwrap().what, "activity 'send_mail' with input \"thank you\"");
    }
}

mod shapes {
    use super::*;

    #[orchestrator]
    async fn counter(ctx: OrchestrationContext, count: u64) -> Result<Next<u64, u64>, OrchestratorError> {
        ctx.call_activity(charge, count).await?;
        ctx.wait_for_external_event::<()>("More").await?;
        if count == 3 { Ok(Next::Complete(count)) } else { Ok(Next::continue_as_new(count + 1)) }
    }

    #[test]
    fn an_instance_that_has_continued_as_new() {
        let world = World::builder().orchestrator(counter).activity(charge).build();
        let run = world.start(counter, 1);
        run.raise("More", &());
        let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
        assert_eq!((recorded.header().generation, recorded.header().input.as_str()), (1, "2"));
        recorded.replay(counter).unwrap();
        let report = recorded.replay(order).unwrap_err();
        assert_eq!(
            (report.turn(), report.recorded().unwrap().what.as_str()),
            (Some(1), "activity 'charge' with input 2")
        );
    }

    #[orchestrator]
    async fn parent(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
        let (a, b) = join(ctx.call_sub_orchestrator(child, amount), ctx.call_sub_orchestrator(child, 13)).await;
        Ok(a? + b.unwrap_or(100))
    }

    #[orchestrator]
    async fn child(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
        ctx.call_activity(charge, amount).await
    }

    #[orchestrator]
    async fn parent_of_one(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
        ctx.call_sub_orchestrator(child, amount).await
    }

    #[test]
    fn children() {
        let world = World::builder().orchestrator(parent).orchestrator(child).activity(charge).build();
        let run = world.start(parent, 5);
        assert_eq!(run.output(), 105);
        let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
        recorded.replay(parent).unwrap();
        let report = recorded.replay(parent_of_one).unwrap_err();
        assert!(report.recorded().unwrap().what.starts_with("child orchestration 'child' as instance"), "{report}");
    }

    async fn retried(ctx: &OrchestrationContext, times: u32) -> Result<u64, OrchestratorError> {
        let policy = RetryPolicy::fixed(times, Duration::from_secs(60));
        ctx.call_activity(charge, 13).retry(policy).await
    }

    #[orchestrator]
    async fn stubborn(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        retried(&ctx, 3).await
    }

    #[orchestrator]
    async fn faint(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
        retried(&ctx, 2).await
    }

    #[test]
    fn retries() {
        let world = World::builder().orchestrator(stubborn).activity(charge).build();
        let run = world.start(stubborn, ());
        assert!(format!("{:#}", run.failure()).contains("no such luck"));
        let recorded = RecordedHistory::from_json(&world.record(&run).to_json()).unwrap();
        recorded.replay(stubborn).unwrap();
        let report = recorded.replay(faint).unwrap_err();
        assert!(report.recorded().unwrap().what.starts_with("a timer for "), "{report}");
        assert!(report.produced().unwrap().what.contains("as Failed"), "{report}");
    }

    #[test]
    fn pauses() {
        let world = World::builder().orchestrator(order).activity(reserve).activity(charge).build();
        let run = world.start(order, 5);
        run.suspend("lunch");
        run.raise("Paid", &());
        run.resume("back");
        assert_eq!(run.output(), 5);
        RecordedHistory::from_json(&world.record(&run).to_json()).unwrap().replay(order).unwrap();
    }
}

mod redaction {
    use super::*;

    #[orchestrator]
    async fn welcome(ctx: OrchestrationContext, customer: Customer) -> Result<String, OrchestratorError> {
        let sent = ctx.call_activity(send_mail, format!("to {}: welcome", customer.mail)).await?;
        if ctx.call_activity(charge, customer.limit).await.is_err() {
            ctx.set_custom_status(&"poor")?;
        }
        let answer: String = ctx.wait_for_external_event("Answer").await?;
        ctx.call_activity(send_mail, answer).await?;
        Ok(format!("{} {sent}", customer.name))
    }

    fn welcomed() -> RecordedHistory {
        let world = World::builder().orchestrator(welcome).activity(send_mail).activity(charge).build();
        let ada = Customer { name: "Ada Lovelace".to_owned(), mail: "ada@example.com".to_owned(), limit: 13 };
        let run = world.start_as("w", welcome, ada);
        run.raise("Answer", "my number is 555-1234");
        assert!(run.output().contains("ada@example.com"));
        world.record(&run)
    }

    #[test]
    fn without_rules_everything_stays() {
        let recorded = welcomed();
        assert_eq!(recorded.redact(&Redaction::new()), recorded);
        assert!(recorded.to_json().contains("ada@example.com"));
    }

    #[test]
    fn a_secret_text_goes_wherever_it_stands_and_the_code_still_fits() {
        let recorded = welcomed().redact(&Redaction::new().pointer("/mail").pointer("/name"));
        let text = recorded.to_json();
        assert!(!text.contains("ada@example.com"), "{text}");
        assert!(!text.contains("Ada"), "also in the message of the failure: {text}");
        assert!(text.contains("\"to redacted-1: welcome\""), "{text}");
        assert!(text.contains("no such luck for redacted-2"), "{text}");
        assert!(text.contains("555-1234"));
        recorded.replay(welcome).unwrap();
    }

    #[test]
    fn rules_go_by_activity_and_event() {
        let recorded = welcomed().redact(&Redaction::new().event("ANSWER"));
        assert!(!recorded.to_json().contains("555-1234"), "the activity it was passed on to has it no more either");
        recorded.replay(welcome).unwrap();

        let recorded = welcomed().redact(&Redaction::new().activity("charge"));
        assert!(!recorded.to_json().contains("no such luck"));
        assert!(recorded.to_json().contains("ada@example.com"));
        recorded.replay(welcome).unwrap();

        let recorded = welcomed().redact(&Redaction::new().everything());
        for secret in ["ada@", "Lovelace", "555", "no such luck", "welcome\""] {
            let in_payloads = recorded.events().iter().filter(|event| event.kind.name() != "ExecutionStarted");
            let text: String = in_payloads.map(|event| serde_json::to_string(event).unwrap()).collect();
            assert!(!text.contains(secret), "{secret}: {text}");
        }
    }

    #[test]
    fn a_number_is_replaced_only_where_a_pointer_leads_to_it() {
        let recorded = welcomed().redact(&Redaction::new().pointer("/limit"));
        assert_eq!(recorded.header().input.decode::<Customer>().unwrap().limit, 0);
        let report = recorded.replay(welcome).unwrap_err();
        assert_eq!(report.recorded().unwrap().what, "activity 'charge' with input 13");
        assert_eq!(report.produced().unwrap().what, "activity 'charge' with input 0");
    }

    #[test]
    fn a_function_sees_every_payload_with_its_place() {
        let mut seen = Vec::new();
        let recorded = welcomed();
        let same = recorded.redact_with(|place, _| seen.push((place.kind, place.name.to_owned())));
        assert_eq!(same, recorded);
        use PlaceKind::{ActivityInput, ActivityResult, EventRaised, Input, Output};
        for expected in [
            (Input, "welcome"),
            (ActivityInput, "send_mail"),
            (ActivityResult, "send_mail"),
            (EventRaised, "Answer"),
            (Output, "welcome"),
        ] {
            assert!(seen.contains(&(expected.0, expected.1.to_owned())), "{expected:?} in {seen:?}");
        }
        let changed = recorded.redact_with(|place, value| {
            if place.kind == PlaceKind::EventRaised {
                *value = json!("a number");
            }
        });
        let report = changed.replay(welcome).unwrap_err();
        assert_eq!(report.produced().unwrap().what, "activity 'send_mail' with input \"a number\"");
    }
}

mod deployments {
    use super::*;

    #[orchestrator(name = "invoice", version = "1.0")]
    async fn invoice_1(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
        ctx.call_activity(charge, amount).await
    }

    #[orchestrator(name = "invoice", version = "2.0")]
    async fn invoice_2(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
        ctx.wait_for_external_event::<()>("Checked").await?;
        ctx.call_activity(charge, amount).await
    }

    fn hub() -> World {
        World::builder().orchestrator(invoice_1).orchestrator(order).activity(reserve).activity(charge).build()
    }

    #[test]
    fn the_code_is_found_by_name_and_version() {
        let world = hub();
        let recorded = world.record(&world.start_as("i-1", invoice_1, 5));
        let both = Deployment::new().orchestrator(invoice_1).orchestrator(invoice_2);
        recorded.replay_against(&both).unwrap();
        let report = recorded.replay_against(&Deployment::new().orchestrator(invoice_2)).unwrap_err();
        assert!(report.is_missing_code());
        assert_eq!(
            report.to_string(),
            "instance 'i-1' of orchestrator 'invoice' in version '1.0' has no code: of this orchestrator there is version '2.0'"
        );
        let report = recorded.replay_against(&Deployment::new().orchestrator(order)).unwrap_err();
        assert!(report.to_string().ends_with("has no code: there is no orchestrator of this name. There is 'order'"));
    }

    #[tokio::test]
    async fn every_live_instance_of_a_hub_is_checked_and_nothing_is_changed() {
        let world =
            World::builder().orchestrator(order).orchestrator(invoice_2).activity(reserve).activity(charge).build();
        for n in 0..450 {
            let _ = world.start_as(&format!("o-{n:03}"), order, n);
        }
        let invoice = world.start_as("i-1", invoice_2, 1);
        let done = world.start_as("done", order, 1);
        done.raise("Paid", &());
        assert_eq!(done.output(), 1);
        let client = world.client();
        let later = client.start(order, 1).id("later").delay(Duration::from_secs(3_600)).await.unwrap();
        let before = (invoice.status(), invoice.history());

        let check = check_live(&client, &Deployment::new().orchestrator(order).orchestrator(invoice_2)).await.unwrap();
        assert!(check.all_fit(), "{check}");
        assert_eq!(check.instances().len(), 452, "all but the one that is done");
        assert!(check.instances().iter().any(|instance| instance.id == *later.id()));
        assert_eq!(before, (invoice.status(), invoice.history()));

        let check = check_live(&client, &Deployment::new().orchestrator(invoice_1)).await.unwrap();
        assert_eq!(check.problems().count(), 452);
        assert!(check.instances().iter().all(|instance| matches!(instance.verdict, Verdict::NoCode(_))));
        let text = check.to_string();
        assert!(text.starts_with("live instances: 452, of which fit: 0, differ: 0, have no code: 452"), "{text}");
        assert!(text.ends_with("and 432 more"), "{text}");
    }
}

mod corpus {
    use super::order;

    durable_testing::replay_tests!("tests/histories", orchestrators = [order]);
}
