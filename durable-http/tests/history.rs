//! `historyEvents`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent, TaskOptions};
use durable_core::model::{ExecutionId, FailureDetails, Payload, RuntimeStatus, SourceLocation, TaskId};
use support::*;

fn json(text: &str) -> Payload {
    Payload::from_json(text).unwrap()
}

fn scheduled(second: u32, id: u32, name: &str, input: &str) -> HistoryEvent {
    let source = Some(SourceLocation::caller());
    let (id, name, options) = (TaskId(id), name.try_into().unwrap(), TaskOptions::default());
    let kind = EventKind::TaskScheduled { id, name, input: json(input), options, source };
    event(second, kind)
}

fn started() -> HistoryEvent {
    event(
        0,
        EventKind::ExecutionStarted(Arc::new(ExecutionHeader::new(
            "i1".try_into().unwrap(),
            ExecutionId::generate(),
            "Hello".try_into().unwrap(),
            json("\"Tokyo\""),
        ))),
    )
}

fn with_history(events: Vec<HistoryEvent>) -> Arc<MockClient> {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    mock.set_history("i1", events);
    mock
}

/// The events that are shown, as text.
async fn shown(events: Vec<HistoryEvent>, query: &str) -> String {
    let body = get(&with_history(events), &format!("{RPC}/instances/i1?showHistory=true&{query}")).await.body;
    let (_, events) = body.split_once("\"historyEvents\":").unwrap();
    events.strip_suffix('}').unwrap().to_owned()
}

fn whole() -> Vec<HistoryEvent> {
    vec![
        event(0, EventKind::OrchestratorStarted),
        started(),
        scheduled(1, 0, "say_hello", "\"Tokyo\""),
        scheduled(1, 1, "say_hello", "{\"n\": 1}"),
        event(1, EventKind::OrchestratorCompleted),
        event(2, EventKind::TaskCompleted { task_id: TaskId(1), result: json("[1, 2]") }),
        event(3, EventKind::EventRaised { name: "Go".try_into().unwrap(), input: json("true") }),
        event(
            4,
            EventKind::ExecutionCompleted {
                id: TaskId(2),
                status: RuntimeStatus::Completed,
                result: Some(json("\"done\"")),
                failure: None,
            },
        ),
    ]
}

#[tokio::test]
async fn completions_absorb_their_calls_and_turns_are_left_out() {
    let expected = concat!(
        r#"[{"EventType":"ExecutionStarted","Timestamp":"2024-05-01T12:00:00.5Z","FunctionName":"Hello","Input":"\"Tokyo\""},"#,
        r#"{"EventType":"TaskScheduled","Name":"say_hello","Timestamp":"2024-05-01T12:00:01.5Z","Input":"\"Tokyo\""},"#,
        r#"{"EventType":"TaskCompleted","Result":[1, 2],"Timestamp":"2024-05-01T12:00:02.5Z","#,
        r#""ScheduledTime":"2024-05-01T12:00:01.5Z","FunctionName":"say_hello","Input":"{\"n\": 1}"},"#,
        r#"{"EventType":"EventRaised","Name":"Go","Timestamp":"2024-05-01T12:00:03.5Z","Input":"true"},"#,
        r#"{"EventType":"ExecutionCompleted","OrchestrationStatus":"Completed","Result":"done","#,
        r#""Timestamp":"2024-05-01T12:00:04.5Z"}]"#,
    );
    assert_eq!(shown(whole(), "showHistoryOutput=true").await, expected);
}

#[tokio::test]
async fn results_are_shown_only_on_request() {
    let shown = shown(whole(), "").await;
    assert!(!shown.contains("Result"), "{shown}");
    assert!(shown.contains(r#""Input":"{\"n\": 1}""#), "{shown}");
}

#[tokio::test]
async fn inputs_are_left_out_when_the_input_is_not_shown() {
    let shown = shown(whole(), "showInput=false&showHistoryOutput=True").await;
    assert!(!shown.contains("Input"), "{shown}");
    assert!(shown.contains("\"Result\":[1, 2]"), "{shown}");
}

#[tokio::test]
async fn a_failed_activity_shows_its_reason_and_details() {
    let mut failure = FailureDetails::new("PayError::Declined", "declined").non_retriable();
    failure.stack_trace = Some("at main".to_owned());
    failure.properties.insert("card".to_owned(), json("4242"));
    let failure = failure.caused_by(FailureDetails::new("Error", "no funds"));
    let events = vec![scheduled(1, 0, "charge", "7"), event(2, EventKind::TaskFailed { task_id: TaskId(0), failure })];
    let expected = concat!(
        r#"[{"EventType":"TaskFailed","Reason":"declined: no funds","FailureDetails":{"ErrorType":"PayError::Declined","#,
        r#""ErrorMessage":"declined","StackTrace":"at main","InnerFailure":{"ErrorType":"Error","ErrorMessage":"no funds","#,
        r#""IsNonRetriable":false},"IsNonRetriable":true,"Properties":{"card":4242}},"Timestamp":"2024-05-01T12:00:02.5Z","#,
        r#""ScheduledTime":"2024-05-01T12:00:01.5Z","FunctionName":"charge","Input":"7"}]"#,
    );
    assert_eq!(shown(events, "").await, expected);
}

#[tokio::test]
async fn a_failed_execution_shows_its_details() {
    let failure = Some(FailureDetails::new("Error", "no luck"));
    let status = RuntimeStatus::Failed;
    let events = vec![event(9, EventKind::ExecutionCompleted { id: TaskId(0), status, result: None, failure })];
    let expected = concat!(
        r#"[{"EventType":"ExecutionCompleted","OrchestrationStatus":"Failed","#,
        r#""FailureDetails":{"ErrorType":"Error","ErrorMessage":"no luck","IsNonRetriable":false},"#,
        r#""Timestamp":"2024-05-01T12:00:09.5Z"}]"#,
    );
    assert_eq!(shown(events, "").await, expected);
}

#[tokio::test]
async fn timers_show_when_they_are_due_and_no_ids() {
    let fire_at = "2024-05-01T13:00:00.1234567Z".parse().unwrap();
    let events = vec![
        event(1, EventKind::TimerCreated { id: TaskId(0), fire_at, source: None }),
        event(2, EventKind::TimerFired { timer_id: TaskId(0), fire_at }),
    ];
    let expected = concat!(
        r#"[{"EventType":"TimerCreated","FireAt":"2024-05-01T13:00:00.1234567Z","Timestamp":"2024-05-01T12:00:01.5Z"},"#,
        r#"{"EventType":"TimerFired","FireAt":"2024-05-01T13:00:00.1234567Z","Timestamp":"2024-05-01T12:00:02.5Z"}]"#,
    );
    assert_eq!(shown(events, "").await, expected);
}

#[tokio::test]
async fn a_termination_shows_its_reason_as_input() {
    let terminated = |reason: Option<&str>| {
        vec![event(1, EventKind::ExecutionTerminated { reason: reason.map(str::to_owned), recursive: false })]
    };
    let expected = r#"[{"EventType":"ExecutionTerminated","Timestamp":"2024-05-01T12:00:01.5Z","Input":"too late"}]"#;
    assert_eq!(shown(terminated(Some("too late")), "").await, expected);
    let expected = r#"[{"EventType":"ExecutionTerminated","Timestamp":"2024-05-01T12:00:01.5Z"}]"#;
    assert_eq!(shown(terminated(None), "").await, expected);
}

#[tokio::test]
async fn our_own_cancellations_are_generic_events() {
    let events = vec![
        scheduled(1, 0, "charge", "7"),
        event(2, EventKind::TaskCanceled { task_id: TaskId(0) }),
        event(3, EventKind::TaskCanceled { task_id: TaskId(1) }),
    ];
    let expected = concat!(
        r#"[{"EventType":"TaskScheduled","Name":"charge","Timestamp":"2024-05-01T12:00:01.5Z","Input":"7"},"#,
        r#"{"EventType":"GenericEvent","Data":"TaskCanceled: the call of 'charge' was canceled.","Timestamp":"2024-05-01T12:00:02.5Z"},"#,
        r#"{"EventType":"GenericEvent","Data":"TaskCanceled: a timer was canceled.","Timestamp":"2024-05-01T12:00:03.5Z"}]"#,
    );
    assert_eq!(shown(events, "").await, expected);
}

#[tokio::test]
async fn null_results_are_left_out() {
    let events = vec![event(1, EventKind::TaskCompleted { task_id: TaskId(7), result: Payload::null() })];
    let expected = r#"[{"EventType":"TaskCompleted","Timestamp":"2024-05-01T12:00:01.5Z"}]"#;
    assert_eq!(shown(events, "showHistoryOutput=true").await, expected);
}

#[tokio::test]
async fn the_history_is_shown_only_when_it_is_asked_for() {
    let mock = with_history(whole());
    let body = get(&mock, &format!("{RPC}/instances/i1")).await.body;
    assert!(!body.contains("istory"), "{body}");
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_pending_instance_shows_no_history() {
    let mock = with_history(whole());
    mock.put("i1", RuntimeStatus::Pending);
    let body = get(&mock, &format!("{RPC}/instances/i1?showHistory=true")).await.body;
    assert!(!body.contains("istory"), "{body}");
}

#[tokio::test]
async fn the_key_is_history_events_and_stands_last() {
    let mock = with_history(Vec::new());
    mock.put("i1", RuntimeStatus::Completed);
    let body = get(&mock, &format!("{RPC}/instances/i1?showHistory=true")).await.body;
    assert!(body.ends_with("\"lastUpdatedTime\":\"2024-05-01T12:00:00Z\",\"historyEvents\":[]}"), "{body}");
}
