//! What is taken out, and that the code still fits.

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

#[orchestrator]
async fn forwards(ctx: OrchestrationContext, to: String) -> Result<String, OrchestratorError> {
    let news: String = ctx.wait_for_external_event("News").await?;
    ctx.call_sub_orchestrator(echo, format!("child got {news}")).await?;
    ctx.send_event(&InstanceId::new(to)?, "News", &news)?;
    Ok(news)
}

#[orchestrator]
async fn echo(_ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    Ok(text)
}

#[test]
fn children_and_messages_are_covered_and_ids_stay() {
    let world = World::builder().orchestrator(forwards).orchestrator(echo).build();
    let other = world.start_as("other", forwards, "nobody".to_owned());
    let run = world.start_as("f", forwards, "other".to_owned());
    run.raise("News", "Ada has won");
    assert_eq!((run.output(), other.is_finished()), ("Ada has won".to_owned(), true));
    let recorded = world.record(&run);
    assert_eq!(recorded.to_json().matches("Ada").count(), 5);
    for rules in [Redaction::new().event("news"), Redaction::new().output()] {
        let recorded = recorded.redact(&rules);
        assert!(!recorded.to_json().contains("Ada"), "{}", recorded.to_json());
        recorded.replay(forwards).unwrap();
    }
    let by_child = recorded.redact(&Redaction::new().child("echo"));
    assert!(!by_child.to_json().contains("child got"));
}
