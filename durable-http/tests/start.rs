//! `POST /orchestrators/{functionName}/{instanceId?}`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use durable_core::client::ClientErrorKind;
use durable_core::model::{FailureDetails, RuntimeStatus};
use durable_http::testing::request;
use support::*;

const ORIGIN: &str = "http://localhost:7071";

fn started(id: &str, input: &str) -> Call {
    Call::Start { name: "Hello".to_owned(), id: Some(id.to_owned()), input: input.to_owned() }
}

#[tokio::test]
async fn a_start_answers_with_the_check_status_payload() {
    let mock = MockClient::new();
    let response = send(&mock, request("POST", format!("{WEBHOOK}/orchestrators/Hello/i1")).json(&"Tokyo")).await;
    assert_json(&response, 202, &check_status(ORIGIN, "i1", "i1"));
    assert_eq!(response.header("retry-after"), Some("10"));
    assert_eq!(
        response.header("location"),
        Some("http://localhost:7071/runtime/webhooks/durabletask/instances/i1?taskHub=TestHub&connection=Storage")
    );
    assert_eq!(mock.calls(), [started("i1", "\"Tokyo\"")]);
}

#[tokio::test]
async fn a_generated_id_is_32_hex_digits_without_dashes() {
    let mock = MockClient::new();
    let response = post(&mock, "/durabletask/orchestrators/Hello").await;
    let id = response.json::<serde_json::Value>()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 32);
    assert!(id.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)), "{id}");
    assert_json(&response, 202, &check_status(ORIGIN, &id, &id));
}

#[tokio::test]
async fn an_empty_body_of_any_type_is_null() {
    let mock = MockClient::new();
    for (i, content_type) in ["", "application/json", "application/octet-stream"].into_iter().enumerate() {
        let target = format!("{RPC}/orchestrators/Hello/i{i}");
        let response = send(&mock, request("POST", target).body(content_type, "").header("content-length", "0")).await;
        assert_eq!(response.status, 202, "{content_type}");
        assert_eq!(mock.calls()[i], started(&format!("i{i}"), "null"));
    }
}

#[tokio::test]
async fn white_space_and_a_byte_order_mark_are_no_input() {
    let mock = MockClient::new();
    for (i, (body, input)) in [(" \r\n\t ", "null"), ("\u{feff}", "null"), ("\u{feff} [1]\n", "[1]")].iter().enumerate()
    {
        let response = send(&mock, request("POST", format!("{RPC}/orchestrators/Hello/i{i}")).body("", *body)).await;
        assert_eq!(response.status, 202);
        assert_eq!(mock.calls()[i], started(&format!("i{i}"), input));
    }
}

#[tokio::test]
async fn json_strings_are_never_decoded_again() {
    let mock = MockClient::new();
    let double_encoded = r#""{\"a\": 1}""#;
    for (i, body) in [r#""42""#, double_encoded, r#"{"b": 1.50,  "a":"ü"}"#].into_iter().enumerate() {
        let target = format!("{RPC}/orchestrators/Hello/i{i}");
        assert_eq!(send(&mock, request("POST", target).body("application/json", body)).await.status, 202);
        assert_eq!(mock.calls()[i], started(&format!("i{i}"), body));
        let status = get(&mock, &format!("{RPC}/instances/i{i}")).await;
        assert!(status.body.contains(&format!("\"input\":{body},")), "{}", status.body);
    }
}

#[tokio::test]
async fn malformed_json_is_a_long_400_and_starts_nothing() {
    let mock = MockClient::new();
    for (body, exception) in [
        (&b"{"[..], "EOF while parsing an object at line 1 column 1"),
        (b"1 2", "trailing characters at line 1 column 3"),
        (b"{'a':1}", "key must be a string at line 1 column 2"),
        (b"\"\xff\"", "invalid utf-8 sequence of 1 bytes from index 1"),
    ] {
        let response = send(&mock, request("POST", format!("{RPC}/orchestrators/Hello")).body("", body)).await;
        let expected = long_error("Invalid JSON content", exception, "Newtonsoft.Json.JsonReaderException");
        assert_json(&response, 400, &expected);
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn an_unknown_orchestrator_is_a_long_400_with_the_known_ones() {
    let mock = MockClient::new();
    let response = post(&mock, &format!("{RPC}/orchestrators/Nope")).await;
    let expected = "The function 'Nope' doesn't exist, is disabled, or is not an orchestrator function. \
                    Additional info: The following are the known orchestrator functions: 'Hello', 'Goodbye'.";
    assert_json(&response, 400, &bad_argument(expected));
}

#[tokio::test]
async fn a_bad_instance_id_is_a_long_400() {
    let mock = MockClient::new();
    for (segment, exception) in [
        ("@x", "'@x' is not a valid instance id: it starts with '@', which is reserved for entities"),
        ("a%5Cb", "'a\\b' is not a valid instance id: it contains one of / \\ ? #"),
        ("a%3Fb", "'a?b' is not a valid instance id: it contains one of / \\ ? #"),
        ("a%0Ab", "'a\nb' is not a valid instance id: it contains a control character"),
    ] {
        let response = post(&mock, &format!("{RPC}/orchestrators/Hello/{segment}")).await;
        assert_json(&response, 400, &bad_argument(exception));
    }
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello/{}", "x".repeat(257))).await;
    assert_eq!(response.status, 400);
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn an_id_in_use_is_a_short_409() {
    let mock = MockClient::new();
    for status in
        [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::ContinuedAsNew, RuntimeStatus::Suspended]
    {
        mock.put("i1", status);
        let response = post(&mock, &format!("{RPC}/orchestrators/Hello/i1")).await;
        let message = format!("An Orchestration instance with the status {status} already exists.");
        assert_json(&response, 409, &format!("{{\"Message\":\"{message}\"}}"));
    }
}

#[tokio::test]
async fn a_finished_instance_is_replaced() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Failed);
    assert_eq!(post(&mock, &format!("{RPC}/orchestrators/Hello/i1")).await.status, 202);
    assert_eq!(mock.status_now("i1").unwrap().runtime_status, RuntimeStatus::Pending);
}

#[tokio::test]
async fn a_failing_store_is_a_long_500_without_its_causes() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::Store);
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello")).await;
    let message = "Something went wrong while processing your request";
    assert_json(&response, 500, &long_error(message, "the store failed", "System.Exception"));
}

#[tokio::test]
async fn a_hub_that_shuts_down_is_a_long_503() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::ShutDown);
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello")).await;
    let message = "Something went wrong while processing your request";
    let expected = long_error(message, "the task hub is shut down", "System.InvalidOperationException");
    assert_json(&response, 503, &expected);
}

#[tokio::test]
async fn a_polling_interval_longer_than_the_timeout_starts_nothing() {
    let mock = MockClient::new();
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello?timeout=1.5&pollingInterval=2")).await;
    assert_json(&response, 400, &bad_argument("Total timeout 1.5 should be bigger than retry timeout 2"));
    assert_eq!(mock.calls(), []);
}

/// Starts `i1` with this query, and completes it with `end` once the request waits.
async fn start_and_end(query: &str, end: impl FnOnce(&MockClient)) -> durable_http::testing::TestResponse {
    let mock = MockClient::new();
    let target = format!("{RPC}/orchestrators/Hello/i1?{query}");
    let (response, ()) = tokio::join!(post(&mock, &target), async {
        mock.called(|call| matches!(call, Call::Wait { .. })).await;
        end(&mock);
    });
    response
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_completes_answers_with_the_bare_output() {
    let response = start_and_end("timeout=10&pollingInterval=1", |mock| mock.complete("i1", "\"Hello Tokyo!\"")).await;
    assert_json(&response, 200, "\"Hello Tokyo!\"");
    assert_eq!(response.header("location"), None);
    assert_eq!(response.header("retry-after"), None);
    let completed = |mock: &MockClient| mock.put("i1", RuntimeStatus::Completed);
    assert_json(&start_and_end("timeout=10&pollingInterval=10", completed).await, 200, "null");
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_fails_answers_with_the_status_and_200() {
    let response =
        start_and_end("timeout=10&pollingInterval=1&returnInternalServerErrorOnFailure=true&showInput=false", |mock| {
            mock.put_with("i1", |instance| {
                instance.runtime_status = RuntimeStatus::Failed;
                instance.failure = Some(FailureDetails::new("Error", "no luck"));
            });
        })
        .await;
    let expected = "{\"name\":\"Hello\",\"instanceId\":\"i1\",\"runtimeStatus\":\"Failed\",\"input\":null,\
                    \"customStatus\":null,\"output\":\"Orchestrator function 'Hello' failed: no luck\",\
                    \"createdTime\":\"2024-05-01T12:00:00Z\",\"lastUpdatedTime\":\"2024-05-01T12:00:00Z\"}";
    assert_json(&response, 200, expected);
}

#[tokio::test(start_paused = true)]
async fn a_wait_in_vain_answers_with_the_check_status_payload() {
    let mock = MockClient::new();
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello/i1?timeout=2.5&pollingInterval=0.5")).await;
    assert_json(&response, 202, &check_status(ORIGIN, "i1", "i1"));
    assert_eq!(response.header("retry-after"), Some("10"));
    let wait = Call::Wait { id: "i1".to_owned(), timeout: Some(Duration::from_millis(2_500)) };
    assert_eq!(mock.calls()[1], wait);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_alone_waits_and_an_interval_alone_does_not() {
    for (i, (query, waits)) in [
        ("timeout=3", true),
        ("pollingInterval=3", false),
        ("timeout=x&pollingInterval=3", false),
        ("timeout=3&pollingInterval=x", true),
        ("timeout=1&timeout=2", false),
        ("timeout=0&pollingInterval=0", true),
        ("timeout=-1", true),
        ("timeout=1e300", true),
    ]
    .into_iter()
    .enumerate()
    {
        let mock = MockClient::new();
        let response = post(&mock, &format!("{RPC}/orchestrators/Hello/i{i}?{query}")).await;
        assert_eq!(response.status, 202, "{query}");
        assert_eq!(mock.calls().len(), 1 + usize::from(waits), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_an_hour() {
    let mock = MockClient::new();
    assert_eq!(post(&mock, &format!("{RPC}/orchestrators/Hello/i1?timeout=1e9")).await.status, 202);
    assert_eq!(mock.calls()[1], Call::Wait { id: "i1".to_owned(), timeout: Some(Duration::from_secs(3_600)) });
}

#[tokio::test]
async fn a_wait_that_breaks_does_not_hide_that_the_instance_is_started() {
    let broken = start_and_end("timeout=10&showHistory=true", |mock| {
        mock.fail_with(ClientErrorKind::Store);
        mock.put("i1", RuntimeStatus::Failed);
    });
    assert_json(&broken.await, 202, &check_status(ORIGIN, "i1", "i1"));
}

#[tokio::test]
async fn other_verbs_and_shapes_are_an_empty_404() {
    let mock = MockClient::new();
    for (verb, path) in [
        ("GET", "orchestrators/Hello"),
        ("PUT", "orchestrators/Hello/i1"),
        ("POST", "orchestrators"),
        ("POST", "orchestrators/"),
        ("POST", "orchestrators/Hello/i1/more"),
        ("POST", "orchestrators/Hello/a%2Fb"),
    ] {
        assert_empty(&send(&mock, request(verb, format!("{RPC}/{path}"))).await, 404);
    }
    assert_eq!(mock.calls(), []);
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

/// The trace that a start with these headers is part of.
async fn trace(headers: &[(&'static str, &str)]) -> Option<(String, Option<String>)> {
    let mock = MockClient::new();
    let start = request("POST", format!("{RPC}/orchestrators/Hello"));
    let start = headers.iter().fold(start, |start, (name, value)| start.header(name, value));
    assert_eq!(send(&mock, start).await.status, 202, "{headers:?}");
    let trace = mock.traces().remove(0)?;
    Some((trace.traceparent(), trace.tracestate().map(str::to_owned)))
}

#[tokio::test]
async fn a_start_takes_over_the_trace_of_its_request() {
    let parent = PARENT.to_owned();
    assert_eq!(trace(&[("traceparent", PARENT)]).await, Some((parent.clone(), None)));
    let both = [("Traceparent", PARENT), ("Tracestate", "a=1,b=2")];
    assert_eq!(trace(&both).await, Some((parent, Some("a=1,b=2".to_owned()))));
}

#[tokio::test]
async fn trace_headers_that_are_not_valid_are_ignored() {
    assert_eq!(trace(&[]).await, None);
    assert_eq!(trace(&[("tracestate", "a=1")]).await, None);
    assert_eq!(trace(&[("traceparent", "")]).await, None);
    assert_eq!(trace(&[("traceparent", &PARENT.to_uppercase()), ("tracestate", "a=1")]).await, None);
    for state in ["", "a", "é=1"] {
        let expected = Some((PARENT.to_owned(), None));
        assert_eq!(trace(&[("traceparent", PARENT), ("tracestate", state)]).await, expected, "{state}");
    }
}

#[tokio::test]
async fn a_version_that_is_not_one_starts_nothing() {
    let mock = MockClient::new();
    let response = post(&mock, &format!("{RPC}/orchestrators/Hello?version={}", "x".repeat(5_000))).await;
    assert_eq!(response.status, 400);
    assert_eq!(mock.calls(), []);
}
