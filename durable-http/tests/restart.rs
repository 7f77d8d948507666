//! `POST /instances/{instanceId}/restart`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::ClientErrorKind;
use durable_core::model::RuntimeStatus;
use support::*;

const ORIGIN: &str = "http://localhost:7071";

fn restarted(new_id: bool) -> Call {
    Call::Restart { id: "i1".to_owned(), new_id }
}

#[tokio::test]
async fn a_restart_answers_with_the_check_status_payload_of_the_new_instance() {
    for query in ["", "?restartWithNewInstanceId=True", "?restartWithNewInstanceId=nonsense"] {
        let mock = MockClient::new();
        mock.put("i1", RuntimeStatus::Running);
        let response = post(&mock, &format!("{RPC}/instances/i1/restart{query}")).await;
        assert_json(&response, 202, &check_status(ORIGIN, "i1-again", "i1-again"));
        assert_eq!(response.header("retry-after"), Some("10"));
        assert!(response.header("location").unwrap().contains("/instances/i1-again?"));
        assert_eq!(mock.calls(), [restarted(true)]);
    }
}

#[tokio::test]
async fn a_finished_instance_can_keep_its_id() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    let response = post(&mock, &format!("{RPC}/instances/i1/Restart/?restartWithNewInstanceId=false")).await;
    assert_json(&response, 202, &check_status(ORIGIN, "i1", "i1"));
    assert_eq!(mock.calls(), [restarted(false)]);
}

#[tokio::test]
async fn a_live_instance_that_shall_keep_its_id_is_a_long_409() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::Suspended] {
        mock.put("i1", status);
        let response = post(&mock, &format!("{RPC}/instances/i1/restart?restartWithNewInstanceId=false")).await;
        let text = format!("An Orchestration instance with the status {status} already exists.");
        let message = "A non-terminal instance with this instance ID already exists.";
        assert_json(&response, 409, &long_error(message, &text, "System.InvalidOperationException"));
    }
}

#[tokio::test]
async fn an_unknown_instance_is_a_long_400() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    for (path, id) in [("nope/restart", "nope"), ("@a@b/restart", "@a@b"), ("i1/restart?taskHub=Other", "i1")] {
        let message = "InstanceId does not match a valid orchestration instance.";
        let text = format!("No instance with ID '{id}' was found.");
        let expected = long_error(message, &text, "System.ArgumentException");
        assert_json(&post(&mock, &format!("{RPC}/instances/{path}")).await, 400, &expected);
    }
}

#[tokio::test]
async fn a_version_that_is_gone_is_a_long_400() {
    let mock = MockClient::new();
    let (name, version) = ("Hello".try_into().unwrap(), "1".try_into().unwrap());
    mock.fail_with(ClientErrorKind::UnknownVersion { name, version, known: vec!["2".try_into().unwrap()] });
    let text = "orchestrator 'Hello' has no version '1'; registered are: 2";
    assert_json(&post(&mock, &format!("{RPC}/instances/i1/restart")).await, 400, &bad_argument(text));
}

#[tokio::test]
async fn a_restart_can_be_waited_for() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    let target = format!("{RPC}/instances/i1/restart?timeout=10&pollingInterval=1");
    let (response, ()) = tokio::join!(post(&mock, &target), async {
        mock.called(|call| matches!(call, Call::Wait { .. })).await;
        mock.complete("i1-again", "\"done\"");
    });
    assert_json(&response, 200, "\"done\"");
}

#[tokio::test]
async fn a_polling_interval_longer_than_the_timeout_starts_nothing() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    let response = post(&mock, &format!("{RPC}/instances/i1/restart?timeout=1&pollingInterval=2")).await;
    assert_json(&response, 400, &bad_argument("Total timeout 1 should be bigger than retry timeout 2"));
    assert_eq!(mock.calls(), []);
}
