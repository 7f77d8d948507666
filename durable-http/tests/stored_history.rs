//! `GET /instances/{instanceId}/history`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::ClientErrorKind;
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{Payload, RuntimeStatus, TaskId};
use durable_http::testing::request;
use support::*;

#[tokio::test]
async fn a_stored_history_has_every_event_with_its_ids() {
    let mock = MockClient::new();
    mock.put("a b", RuntimeStatus::Running);
    let result = Payload::from_json(r#"{"b": 1}"#).unwrap();
    let events = vec![
        event(1, EventKind::OrchestratorStarted),
        event(2, EventKind::TaskCompleted { task_id: TaskId(7), result }),
        event(3, EventKind::OrchestratorCompleted),
    ];
    mock.set_history("a b", events.clone());
    let response = get(&mock, &format!("{WEBHOOK}/Instances/a%20b/HISTORY/?showHistory=false")).await;
    let expected = "[{\"eventId\":-1,\"timestamp\":\"2024-05-01T12:00:01.5Z\",\"eventType\":\"OrchestratorStarted\"},\
        {\"eventId\":-1,\"timestamp\":\"2024-05-01T12:00:02.5Z\",\"eventType\":\"TaskCompleted\",\"taskId\":7,\
        \"payload\":{\"b\": 1}},\
        {\"eventId\":-1,\"timestamp\":\"2024-05-01T12:00:03.5Z\",\"eventType\":\"OrchestratorCompleted\"}]";
    assert_json(&response, 200, expected);
    assert_eq!(response.json::<Vec<HistoryEvent>>(), events);
}

#[tokio::test]
async fn without_an_instance_there_is_no_history() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for target in ["instances/nope/history", "instances/%5C/history", "instances/i1/history?taskHub=Other"] {
        assert_empty(&get(&mock, &format!("{RPC}/{target}")).await, 404);
    }
    assert_empty(&send(&mock, request("POST", format!("{RPC}/instances/i1/history"))).await, 404);
    mock.fail_with(ClientErrorKind::Store);
    assert_eq!(get(&mock, &format!("{RPC}/instances/i1/history")).await.status, 500);
}
