//! `POST /instances/{instanceId}/terminate`, and the routes without a file of their own.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::model::RuntimeStatus;
use durable_http::testing::request;
use support::*;

#[tokio::test]
async fn a_termination_is_an_empty_202_and_its_reason_comes_from_the_query() {
    for (query, reason) in [
        ("", None),
        ("?reason=", Some("")),
        ("?reason=it+took%20long%2B", Some("it took long+")),
        ("?REASON=%20x%20", Some("x")),
        ("?reason=a&reason=b", Some("a,b")),
        ("?reason=%22quoted%20text%22", Some("\"quoted text\"")),
    ] {
        let mock = MockClient::new();
        mock.put("i1", RuntimeStatus::Running);
        let target = format!("{RPC}/instances/i1/terminate{query}");
        // The JavaScript client sends this type with no body; a body never counts.
        assert_empty(&send(&mock, request("POST", target).body("application/json", "")).await, 202);
        assert_eq!(mock.calls(), [Call::Terminate { id: "i1".to_owned(), reason: reason.map(str::to_owned) }]);
    }
}

#[tokio::test]
async fn the_reason_becomes_the_output() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    assert_empty(&post(&mock, &format!("{WEBHOOK}/instances/i1/Terminate/?reason=12+monkeys")).await, 202);
    let status: serde_json::Value = get(&mock, &format!("{WEBHOOK}/instances/i1")).await.json();
    assert_eq!((&status["runtimeStatus"], &status["output"]), (&"Terminated".into(), &"12 monkeys".into()));
}

#[tokio::test]
async fn any_body_is_ignored() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let broken = request("POST", format!("{RPC}/instances/i1/terminate")).body("application/json", "{\"reason\":");
    assert_empty(&send(&mock, broken).await, 202);
    assert_eq!(mock.calls(), [Call::Terminate { id: "i1".to_owned(), reason: None }]);
}

#[tokio::test]
async fn an_unknown_instance_is_a_404_and_a_finished_one_a_410() {
    let mock = MockClient::new();
    mock.put("over", RuntimeStatus::Terminated);
    assert_empty(&post(&mock, &format!("{RPC}/instances/nope/terminate")).await, 404);
    assert_empty(&post(&mock, &format!("{RPC}/instances/@a@b/terminate")).await, 404);
    assert_empty(&post(&mock, &format!("{RPC}/instances/over/terminate")).await, 410);
    assert_empty(&post(&mock, &format!("{RPC}/instances/over/terminate?taskHub=Other")).await, 404);
}

#[tokio::test]
async fn unknown_operations_are_an_empty_404() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for (verb, path) in [
        ("POST", "instances/i1/explode"),
        ("POST", "instances/i1/terminate/now"),
        ("GET", "instances/i1/terminate"),
        ("DELETE", "instances/i1/terminate"),
        ("POST", "instances"),
    ] {
        assert_empty(&send(&mock, request(verb, format!("{RPC}/{path}"))).await, 404);
    }
}

#[tokio::test]
async fn making_the_application_primary_does_nothing() {
    let mock = MockClient::new();
    for verb in ["GET", "POST", "PUT"] {
        assert_empty(&send(&mock, request(verb, format!("{RPC}/makePrimary"))).await, 200);
    }
}
