//! `POST /instances/{instanceId}/raiseEvent/{eventName}`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use durable_core::model::RuntimeStatus;
use durable_http::testing::{TestResponse, request};
use support::*;

fn running() -> Arc<MockClient> {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    mock
}

async fn raise(mock: &Arc<MockClient>, path: &str, content_type: &str, body: &str) -> TestResponse {
    send(mock, request("POST", format!("{RPC}/instances/{path}")).body(content_type, body.to_owned())).await
}

fn raised(name: &str, payload: &str) -> Call {
    Call::Raise { id: "i1".to_owned(), name: name.to_owned(), payload: payload.to_owned() }
}

#[tokio::test]
async fn an_event_is_an_empty_202() {
    let mock = running();
    let response = raise(&mock, "i1/raiseEvent/Approval", "application/json", r#"{"ok":true}"#).await;
    assert_empty(&response, 202);
    assert_eq!(response.header("location"), None);
    assert_eq!(mock.calls(), [raised("Approval", r#"{"ok":true}"#)]);
}

#[tokio::test]
async fn pending_and_suspended_instances_accept_events() {
    let mock = running();
    for status in [RuntimeStatus::Pending, RuntimeStatus::Suspended, RuntimeStatus::ContinuedAsNew] {
        mock.put("i1", status);
        assert_empty(&raise(&mock, "i1/raiseEvent/E", "application/json", "null").await, 202);
    }
}

#[tokio::test]
async fn the_operation_has_any_case_and_the_name_is_decoded() {
    let mock = running();
    for path in ["i1/raiseevent/My%20Event", "i1/RAISEEVENT/My%20Event/"] {
        assert_empty(&raise(&mock, path, "application/json", "1").await, 202);
    }
    assert_empty(&raise(&mock, "i1/raiseEvent/a+b", "application/json", "1").await, 202);
    assert_eq!(mock.calls(), [raised("My Event", "1"), raised("My Event", "1"), raised("a+b", "1")]);
}

#[tokio::test]
async fn null_is_a_payload_and_strings_stay_strings() {
    let mock = running();
    for (i, body) in ["null", "\"42\"", r#""{\"a\":1}""#].into_iter().enumerate() {
        assert_empty(&raise(&mock, "i1/raiseEvent/E", "application/json", body).await, 202);
        assert_eq!(mock.calls()[i], raised("E", body));
    }
}

#[tokio::test]
async fn the_checks_are_made_in_the_order_of_the_contract() {
    let mock = running();
    mock.put("over", RuntimeStatus::Completed);
    let nothing_fits = |path| raise(&mock, path, "text/plain", "{");
    assert_empty(&nothing_fits("nope/raiseEvent/E").await, 404);
    assert_empty(&nothing_fits("over/raiseEvent/E").await, 410);
    let media_type = r#"{"Message":"Only application/json request content is supported"}"#;
    assert_json(&nothing_fits("i1/raiseEvent/E").await, 400, media_type);
    let invalid = long_error(
        "Invalid JSON content",
        "EOF while parsing an object at line 1 column 1",
        "Newtonsoft.Json.JsonReaderException",
    );
    assert_json(&raise(&mock, "i1/raiseEvent/%07", "application/json", "{").await, 400, &invalid);
    let name = "'\u{7}' is not a valid event name: it contains a control character";
    assert_json(&raise(&mock, "i1/raiseEvent/%07", "application/json", "1").await, 400, &bad_argument(name));
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn every_finished_state_is_an_empty_410() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated]
    {
        mock.put("i1", status);
        assert_empty(&raise(&mock, "i1/raiseEvent/E", "application/json", "1").await, 410);
    }
}

#[tokio::test]
async fn the_media_type_has_any_case_and_parameters() {
    let mock = running();
    for content_type in ["application/json", "Application/JSON; charset=utf-8", "application/json ;x=y"] {
        assert_empty(&raise(&mock, "i1/raiseEvent/E", content_type, "1").await, 202);
    }
    for content_type in ["", "text/plain", "application/jsonp", "application/octet-stream", "text/application/json"] {
        assert_eq!(raise(&mock, "i1/raiseEvent/E", content_type, "1").await.status, 400, "{content_type}");
    }
}

#[tokio::test]
async fn an_empty_event_body_is_a_long_400() {
    let mock = running();
    for body in ["", "  "] {
        let response = raise(&mock, "i1/raiseEvent/E", "application/json", body).await;
        let exception = "EOF while parsing a value at line 1 column 0";
        let expected = long_error("Invalid JSON content", exception, "Newtonsoft.Json.JsonReaderException");
        assert_json(&response, 400, &expected);
    }
}

#[tokio::test]
async fn an_event_without_a_name_is_an_empty_404() {
    let mock = running();
    for path in ["i1/raiseEvent", "i1/raiseEvent/", "i1/raiseEvent/a/b", "i1/raiseEvent/a%2Fb"] {
        assert_empty(&raise(&mock, path, "application/json", "1").await, 404);
    }
    assert_empty(&send(&mock, request("GET", format!("{RPC}/instances/i1/raiseEvent/E"))).await, 404);
}

#[tokio::test]
async fn an_unknown_hub_has_no_instances_to_raise_events_for() {
    let mock = running();
    assert_empty(&raise(&mock, "i1/raiseEvent/E?taskHub=Other", "application/json", "1").await, 404);
    assert_eq!(mock.calls(), []);
}
