//! `GET /instances/{instanceId}`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::time::Duration;

use durable_core::client::ClientErrorKind;
use durable_core::model::{FailureDetails, Payload, RuntimeStatus};
use durable_http::testing::{call, request};
use support::*;

/// The status object of `i1` with these fields in their JSON forms.
fn status_json(status: &str, input: &str, custom: &str, output: &str) -> String {
    format!(
        "{{\"name\":\"Hello\",\"instanceId\":\"i1\",\"runtimeStatus\":\"{status}\",\"input\":{input},\
         \"customStatus\":{custom},\"output\":{output},\
         \"createdTime\":\"2024-05-01T12:00:00Z\",\"lastUpdatedTime\":\"2024-05-01T12:00:00Z\"}}"
    )
}

const INPUT: &str = r#"{"city": "Tokyo"}"#;

#[tokio::test]
async fn a_live_instance_is_a_202_that_points_to_itself() {
    let mock = MockClient::new();
    for status in
        [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::ContinuedAsNew, RuntimeStatus::Suspended]
    {
        mock.put("i1", status);
        let response = get(&mock, &format!("{RPC}/Instances/i1/?showHistory=True&code=a%20b")).await;
        assert_eq!(response.status, 202, "{status}");
        assert_eq!(response.header("retry-after"), Some("5"));
        assert_eq!(
            response.header("location"),
            Some("http://localhost:7071/durabletask/Instances/i1/?showHistory=True&code=a%20b")
        );
        let plain = get(&mock, &format!("{RPC}/instances/i1")).await;
        assert_json(&plain, 202, &status_json(status.as_str(), INPUT, "null", "null"));
    }
}

#[tokio::test]
async fn a_finished_instance_is_a_200_without_location() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Completed, RuntimeStatus::Canceled, RuntimeStatus::Terminated, RuntimeStatus::Failed]
    {
        mock.put("i1", status);
        let response = get(&mock, &format!("{WEBHOOK}/instances/i1")).await;
        assert_eq!(response.status, 200, "{status}");
        assert_eq!(response.header("location"), None);
        assert_eq!(response.header("retry-after"), None);
    }
}

#[tokio::test]
async fn a_status_has_all_fields_in_order_and_whole_seconds() {
    let mock = MockClient::new();
    mock.put_with("i1", |instance| {
        instance.runtime_status = RuntimeStatus::Completed;
        instance.custom_status = Some(Payload::from_json(r#"{"step":"2/3"}"#).unwrap());
        instance.output = Some(Payload::from_json(r#"["Grüße", "\u00e4"]"#).unwrap());
    });
    let response = get(&mock, &format!("{RPC}/instances/i1")).await;
    let expected = status_json("Completed", INPUT, r#"{"step":"2/3"}"#, r#"["Grüße", "\u00e4"]"#);
    assert_json(&response, 200, &expected);
}

#[tokio::test]
async fn input_is_shown_unless_show_input_is_false() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Completed);
    for (query, input) in [
        ("", INPUT),
        ("?showInput=true", INPUT),
        ("?showInput=nonsense", INPUT),
        ("?showInput", INPUT),
        ("?showInput=false", "null"),
        ("?SHOWINPUT=False", "null"),
    ] {
        let response = get(&mock, &format!("{RPC}/instances/i1{query}")).await;
        assert_json(&response, 200, &status_json("Completed", input, "null", "null"));
    }
}

#[tokio::test]
async fn a_failed_instance_is_a_200_and_only_on_request_a_500() {
    let mock = MockClient::new();
    mock.put_with("i1", |instance| {
        instance.runtime_status = RuntimeStatus::Failed;
        instance.failure = Some(
            FailureDetails::new("Error", "Activity 'charge' failed").caused_by(FailureDetails::new("E", "no card")),
        );
    });
    let output = "\"Orchestrator function 'Hello' failed: Activity 'charge' failed: no card\"";
    let expected = status_json("Failed", INPUT, "null", output);
    assert_json(&get(&mock, &format!("{RPC}/instances/i1")).await, 200, &expected);
    let target = format!("{RPC}/instances/i1?returnInternalServerErrorOnFailure=True");
    assert_json(&get(&mock, &target).await, 500, &expected);
}

#[tokio::test]
async fn only_a_failed_instance_becomes_a_500() {
    let mock = MockClient::new();
    for (status, code) in
        [(RuntimeStatus::Terminated, 200), (RuntimeStatus::Completed, 200), (RuntimeStatus::Running, 202)]
    {
        mock.put("i1", status);
        let target = format!("{RPC}/instances/i1?returnInternalServerErrorOnFailure=true");
        assert_eq!(get(&mock, &target).await.status, code);
    }
}

#[tokio::test]
async fn the_output_of_a_terminated_instance_is_its_reason() {
    let mock = MockClient::new();
    for (reason, output) in [
        (None, "null"),
        (Some(""), "\"\""),
        (Some("   "), "\"\""),
        (Some(" it took too long "), "\"it took too long\""),
        (Some("12 monkeys"), "\"12 monkeys\""),
        (Some("12"), "12"),
        (Some("\"quoted text\""), "\"quoted text\""),
        (Some("{\"a\":1}"), "{\"a\":1}"),
        (Some("Grüße \"x\"\n"), "\"Grüße \\\"x\\\"\""),
    ] {
        mock.put_with("i1", |instance| {
            instance.runtime_status = RuntimeStatus::Terminated;
            instance.termination_reason = reason.map(str::to_owned);
        });
        let response = get(&mock, &format!("{RPC}/instances/i1")).await;
        assert_json(&response, 200, &status_json("Terminated", INPUT, "null", output));
    }
}

#[tokio::test]
async fn an_instance_that_does_not_exist_is_an_empty_404() {
    let mock = MockClient::new();
    for id in ["nope", "@counter@a", "%5C", "a%00b", "%ff%fe", "%", "%zz"] {
        assert_empty(&get(&mock, &format!("{RPC}/instances/{id}")).await, 404);
    }
    assert_empty(&get(&mock, &format!("{RPC}/instances/{}", "x".repeat(5_000))).await, 404);
}

#[tokio::test]
async fn ids_are_percent_decoded_and_a_plus_stays_a_plus() {
    let mock = MockClient::new();
    mock.put("a b", RuntimeStatus::Completed);
    mock.put("a+b", RuntimeStatus::Failed);
    mock.put("Grüße", RuntimeStatus::Terminated);
    for (segment, status) in
        [("a%20b", "Completed"), ("a+b", "Failed"), ("a%2Bb", "Failed"), ("Gr%C3%BC%C3%9Fe", "Terminated")]
    {
        let response = get(&mock, &format!("{RPC}/instances/{segment}")).await;
        assert_eq!(response.json::<serde_json::Value>()["runtimeStatus"], status, "{segment}");
    }
    assert_empty(&get(&mock, &format!("{RPC}/instances/A%20B")).await, 404);
}

#[tokio::test]
async fn an_encoded_slash_splits_a_segment() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    assert_eq!(get(&mock, "/durabletask/instances%2Fi1").await.status, 202);
    assert_empty(&get(&mock, "/durabletask/instances/i1%2Fmore").await, 404);
}

#[tokio::test]
async fn an_unknown_hub_is_an_empty_one_and_ours_has_any_case() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Completed);
    for query in ["", "?taskHub=", "?taskHub=%20", "?taskhub=testHUB", "?connection=Other&code=secret"] {
        assert_eq!(get(&mock, &format!("{RPC}/instances/i1{query}")).await.status, 200, "{query}");
    }
    for query in ["?taskHub=Other", "?taskHub=TestHub&taskHub=TestHub"] {
        assert_empty(&get(&mock, &format!("{RPC}/instances/i1{query}")).await, 404);
    }
}

#[tokio::test]
async fn wrong_verbs_are_an_empty_404_and_never_a_405() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for verb in ["POST", "PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"] {
        assert_empty(&send(&mock, request(verb, format!("{RPC}/instances/i1"))).await, 404);
    }
}

#[tokio::test]
async fn a_failing_store_is_a_long_500() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::Remote { message: "gone away".to_owned() });
    let response = get(&mock, &format!("{RPC}/instances/i1")).await;
    let message = "Something went wrong while processing your request";
    assert_json(&response, 500, &long_error(message, "the remote task hub: gone away", "System.Exception"));
}

#[tokio::test]
async fn a_status_with_a_timeout_comes_with_the_end_of_the_instance() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let target = format!("{RPC}/instances/i1?timeout=3000.5");
    let (response, ()) = tokio::join!(get(&mock, &target), async {
        mock.called(|call| matches!(call, Call::Wait { .. })).await;
        mock.complete("i1", "\"Tokyo\"");
    });
    assert_json(&response, 200, &status_json("Completed", INPUT, "null", "\"Tokyo\""));
    assert_eq!(mock.calls(), [Call::Wait { id: "i1".to_owned(), timeout: Some(Duration::from_millis(3_000_500)) }]);
}

#[tokio::test]
async fn a_status_whose_timeout_is_over_is_that_of_a_live_instance() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for (query, timeout) in [("0.01", Duration::from_millis(10)), ("-1", Duration::ZERO)] {
        let response = get(&mock, &format!("{RPC}/instances/i1?timeout={query}&a=b")).await;
        assert_json(&response, 202, &status_json("Running", INPUT, "null", "null"));
        let here = format!("http://localhost:7071{RPC}/instances/i1?timeout={query}&a=b");
        assert_eq!(response.header("location"), Some(&*here));
        assert_eq!(mock.calls().pop(), Some(Call::Wait { id: "i1".to_owned(), timeout: Some(timeout) }));
    }
    assert_empty(&get(&mock, &format!("{RPC}/instances/nope?timeout=3000")).await, 404);
}

#[tokio::test]
async fn a_timeout_that_is_no_number_counts_as_absent() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    for query in ["timeout", "timeout=", "timeout=soon", "timeout=inf", "timeout=1&timeout=2"] {
        assert_eq!(get(&mock, &format!("{RPC}/instances/i1?{query}")).await.status, 202, "{query}");
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_wait_is_bounded_by_an_hour() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Completed);
    assert_eq!(get(&mock, &format!("{RPC}/instances/i1?timeout=1e30")).await.status, 200);
    assert_eq!(mock.calls(), [Call::Wait { id: "i1".to_owned(), timeout: Some(Duration::from_secs(3_600)) }]);
}

#[tokio::test]
async fn a_waiting_status_is_answered_at_once_when_the_service_stops() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let service = mock.service();
    let target = request("GET", format!("{RPC}/instances/i1?timeout=3000"));
    let (response, ()) = tokio::join!(call(&service, target), async {
        mock.called(|call| matches!(call, Call::Wait { .. })).await;
        service.stop_waiting();
    });
    assert_json(&response, 202, &status_json("Running", INPUT, "null", "null"));
}
