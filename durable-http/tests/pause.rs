//! `POST /instances/{instanceId}/suspend`, `/resume` and `/rewind`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::ClientErrorKind;
use durable_core::model::RuntimeStatus;
use durable_http::testing::request;
use support::*;

fn cannot(operation: &str, status: &str) -> String {
    let text = format!("Cannot {operation} the orchestration instance i1 because instance is in the {status} state.");
    long_error("Something went wrong while processing your request", &text, "System.InvalidOperationException")
}

#[tokio::test]
async fn a_pause_and_its_end_are_an_empty_202_with_the_reason_from_the_query() {
    for (query, reason) in [("", None), ("?reason=it+rains%2B", Some("it rains+")), ("?REASON=", Some(""))] {
        let mock = MockClient::new();
        mock.put("i1", RuntimeStatus::Running);
        let (id, reason) = ("i1".to_owned(), reason.map(str::to_owned));
        let target = format!("{RPC}/instances/i1/suspend{query}");
        let broken = request("POST", target).body("application/json", "{\"reason\":");
        assert_empty(&send(&mock, broken).await, 202);
        assert_empty(&post(&mock, &format!("{WEBHOOK}/Instances/i1/Resume/{query}")).await, 202);
        let expected = [Call::Suspend { id: id.clone(), reason: reason.clone() }, Call::Resume { id, reason }];
        assert_eq!(mock.calls(), expected);
    }
}

#[tokio::test]
async fn every_live_instance_can_be_suspended_once() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::ContinuedAsNew] {
        mock.put("i1", status);
        assert_empty(&post(&mock, &format!("{RPC}/instances/i1/suspend")).await, 202);
    }
    let again = post(&mock, &format!("{RPC}/instances/i1/suspend")).await;
    assert_json(&again, 500, &cannot("suspend", "Suspended"));
}

#[tokio::test]
async fn only_a_suspended_instance_can_be_resumed() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::ContinuedAsNew] {
        mock.put("i1", status);
        let response = post(&mock, &format!("{RPC}/instances/i1/resume")).await;
        assert_json(&response, 500, &cannot("resume", status.as_str()));
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn unknown_instances_are_a_404_and_finished_ones_a_410() {
    let mock = MockClient::new();
    for operation in ["suspend", "resume"] {
        for status in
            [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated]
        {
            mock.put("over", status);
            assert_empty(&post(&mock, &format!("{RPC}/instances/over/{operation}")).await, 410);
        }
        assert_empty(&post(&mock, &format!("{RPC}/instances/nope/{operation}")).await, 404);
        assert_empty(&post(&mock, &format!("{RPC}/instances/@a@b/{operation}")).await, 404);
        assert_empty(&post(&mock, &format!("{RPC}/instances/over/{operation}?taskHub=Other")).await, 404);
        assert_empty(&get(&mock, &format!("{RPC}/instances/over/{operation}")).await, 404);
    }
}

#[tokio::test]
async fn a_failed_instance_is_rewound_with_an_empty_202() {
    for (query, reason) in [("", None), ("?reason=once%20more", Some("once more"))] {
        let mock = MockClient::new();
        mock.put("i1", RuntimeStatus::Failed);
        assert_empty(&post(&mock, &format!("{RPC}/instances/i1/rewind{query}")).await, 202);
        assert_eq!(mock.calls(), [Call::Rewind { id: "i1".to_owned(), reason: reason.map(str::to_owned) }]);
    }
}

#[tokio::test]
async fn what_has_not_failed_is_a_412_with_a_text() {
    let mock = MockClient::new();
    for status in [
        RuntimeStatus::Completed,
        RuntimeStatus::Canceled,
        RuntimeStatus::Terminated,
        RuntimeStatus::Running,
        RuntimeStatus::Pending,
        RuntimeStatus::Suspended,
    ] {
        mock.put("i1", status);
        let expected = format!(
            "\"Cannot rewind the orchestration instance i1 because it is in the \\\"{status}\\\" state; \
             only orchestrations in the \\\"Failed\\\" state can be rewound.\""
        );
        assert_json(&post(&mock, &format!("{RPC}/instances/i1/rewind")).await, 412, &expected);
    }
}

#[tokio::test]
async fn rewinding_an_unknown_instance_is_a_404_with_a_text() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    for (path, id) in [("nope/rewind", "nope"), ("@a@b/rewind", "@a@b"), ("i1/rewind?taskHub=Other", "i1")] {
        let expected = format!("\"No instance with ID '{id}' was found.\"");
        assert_json(&post(&mock, &format!("{RPC}/instances/{path}")).await, 404, &expected);
    }
}

#[tokio::test]
async fn a_rewind_that_does_not_replay_is_a_412_and_one_that_is_not_supported_a_501() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    let target = format!("{RPC}/instances/i1/rewind");
    mock.fail_with(ClientErrorKind::CannotRewind { id: "i1".try_into().unwrap(), reason: "it has changed".to_owned() });
    assert_json(&post(&mock, &target).await, 412, "\"instance 'i1' cannot be rewound: it has changed\"");
    mock.fail_with(ClientErrorKind::Unsupported { operation: "rewind an instance" });
    let text = "Rewind is not supported by the underlying storage provider.";
    assert_json(&post(&mock, &target).await, 501, &long_error(text, text, "System.NotImplementedException"));
}
