//! Links, and the answers that own HTTP functions make with the client extension.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use durable_core::client::{ClientErrorKind, DurableClient};
use durable_core::model::{FailureDetails, InstanceId, RuntimeStatus};
use durable_http::testing::{TestResponse, request};
use durable_http::{DurableClientHttpExt, DurableService};
use support::*;

const ORIGIN: &str = "http://localhost:7071";

fn id(text: &str) -> InstanceId {
    InstanceId::new(text).unwrap()
}

#[tokio::test]
async fn the_start_response_has_no_rewind_link_and_the_management_payload_has_one() {
    let client = MockClient::new().client();
    let request = request("POST", "/api/start").build();
    let response = TestResponse::read(client.create_check_status_response(&request, &id("i1"))).await;
    assert_json(&response, 202, &check_status(ORIGIN, "i1", "i1"));
    assert_eq!(response.header("retry-after"), Some("10"));

    let payload = client.create_http_management_payload_for(&request, &id("i1"));
    let rewind = format!(
        "\"rewindPostUri\":\"{ORIGIN}{WEBHOOK}/instances/i1/rewind?reason={{text}}&taskHub=TestHub&connection=Storage\","
    );
    let expected = check_status(ORIGIN, "i1", "i1").replace("\"purge", &format!("{rewind}\"purge"));
    assert_eq!(serde_json::to_string(&payload).unwrap(), expected);
}

#[tokio::test]
async fn without_a_request_the_webhook_address_of_the_client_is_the_start_of_links() {
    let client = MockClient::new().client();
    let error = client.create_http_management_payload(&id("i1")).unwrap_err();
    assert!(error.is_invalid_argument() && error.to_string().contains("with_webhook_url"), "{error}");

    let webhook = format!("{ORIGIN}{WEBHOOK}");
    let payload = client.clone().with_webhook_url(&webhook).create_http_management_payload(&id("i1")).unwrap();
    let request = request("POST", "/").build();
    assert_eq!(payload, client.create_http_management_payload_for(&request, &id("i1")));

    let remote = client.with_webhook_url("https://a.example/hook/?code=x%2By&TaskHub=Other&connection=C&z");
    let payload = remote.create_http_management_payload(&id("a b")).unwrap();
    let start = "https://a.example/hook/instances/a%20b";
    assert_eq!(payload.status_query_get_uri, format!("{start}?taskHub=Other&connection=C&code=x%2By&z"));
    let terminate = format!("{start}/terminate?reason={{text}}&taskHub=Other&connection=C&code=x%2By&z");
    assert_eq!(payload.terminate_post_uri, terminate);
}

#[tokio::test]
async fn the_extension_is_there_for_every_kind_of_client() {
    let mock = MockClient::new();
    let request = request("POST", "/").build();
    let (parts, ()) = http::Request::new(()).into_parts();
    let dynamic: Arc<dyn DurableClient> = mock.clone();
    let location = |response: http::Response<durable_http::Body>| response.headers()["location"].clone();
    let expected = location(mock.client().create_check_status_response(&request, &id("i1")));
    assert_eq!(location(mock.create_check_status_response(&request, &id("i1"))), expected);
    assert_eq!(location(dynamic.create_check_status_response(&request, &id("i1"))), expected);
    assert!(
        location(dynamic.create_check_status_response(&parts, &id("i1"))).as_bytes().starts_with(b"http://localhost/")
    );
}

#[tokio::test]
async fn ids_are_encoded_in_links_and_every_link_works() {
    let mock = MockClient::new();
    for (text, encoded) in [
        ("a b", "a%20b"),
        ("a+b", "a%2Bb"),
        ("100%", "100%25"),
        ("a&b=c", "a%26b%3Dc"),
        ("Grüße", "Gr%C3%BC%C3%9Fe"),
        ("a-b.c_d~e", "a-b.c_d~e"),
        ("{eventName}", "%7BeventName%7D"),
    ] {
        let base = if text.len() % 2 == 0 { RPC } else { WEBHOOK };
        let response = post(&mock, &format!("{base}/orchestrators/Hello/{encoded}")).await;
        assert_json(&response, 202, &check_status(ORIGIN, text, encoded));
        let link = response.header("location").unwrap().strip_prefix(ORIGIN).unwrap();
        assert_eq!(get(&mock, link).await.json::<serde_json::Value>()["instanceId"], text);
    }
}

#[tokio::test]
async fn links_repeat_the_address_that_the_request_was_sent_to() {
    let mock = MockClient::new();
    let start = || request("POST", format!("{RPC}/orchestrators/Hello/i1"));
    for (host, origin) in [("example.com", "http://example.com"), ("[::1]:80", "http://[::1]:80")] {
        mock.put("i1", RuntimeStatus::Completed);
        assert_json(&send(&mock, start().header("host", host)).await, 202, &check_status(origin, "i1", "i1"));
    }
    mock.put("i1", RuntimeStatus::Completed);
    let absolute = request("POST", format!("https://h2.example{RPC}/orchestrators/Hello/i1"));
    assert_json(&send(&mock, absolute).await, 202, &check_status("https://h2.example", "i1", "i1"));
}

#[tokio::test]
async fn a_missing_or_odd_host_is_not_repeated() {
    let mock = MockClient::new();
    let start = || request("POST", format!("{RPC}/orchestrators/Hello/i1"));
    let expected = check_status("http://localhost", "i1", "i1");
    for host in [&b"evil.com/path"[..], b"a b", b"\"><script>", b"user:pw@host", b"\xff\xfe", b"", b"x:y"] {
        mock.put("i1", RuntimeStatus::Completed);
        assert_json(&send(&mock, start().header("host", host)).await, 202, &expected);
    }
    mock.put("i1", RuntimeStatus::Completed);
    assert_json(&send(&mock, start().without_header("host")).await, 202, &expected);
}

#[tokio::test(start_paused = true)]
async fn a_wait_answers_with_the_output_the_status_or_the_links() {
    let mock = MockClient::new();
    let client = mock.client();
    let request = request("POST", "/api/start?showInput=false").build();
    for name in ["done", "failed", "live"] {
        mock.put(name, RuntimeStatus::Running);
    }
    mock.complete("done", "[1]");
    mock.put_with("failed", |instance| {
        instance.runtime_status = RuntimeStatus::Failed;
        instance.failure = Some(FailureDetails::new("Error", "no luck"));
    });
    let done = client.wait_for_completion_or_create_check_status_response(&request, &id("done")).await.unwrap();
    assert_json(&TestResponse::read(done).await, 200, "[1]");

    let failed = client.wait_for_completion_or_create_check_status_response(&request, &id("failed")).await.unwrap();
    let failed = TestResponse::read(failed).await;
    assert_eq!(failed.status, 200);
    assert!(failed.body.contains("\"input\":null,"), "{}", failed.body);
    let wait = client.wait_for_completion_or_create_check_status_response(&request, &id("failed")).fail_as_500();
    let failed_as_500 = TestResponse::read(wait.await.unwrap()).await;
    assert_json(&failed_as_500, 500, &failed.body);

    for name in ["live", "unknown"] {
        let wait = client.wait_for_completion_or_create_check_status_response(&request, &id(name));
        assert_json(&TestResponse::read(wait.await.unwrap()).await, 202, &check_status(ORIGIN, name, name));
    }
    let waits = |wanted: &str| {
        let timeouts = mock.calls().into_iter().filter_map(|call| match call {
            Call::Wait { id, timeout } if id == wanted => timeout,
            _ => None,
        });
        timeouts.map(|timeout| timeout.as_secs()).collect::<Vec<_>>()
    };
    assert_eq!(waits("live"), [10], "by notification");
    assert_eq!(waits("unknown"), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0], "it may come");
}

#[tokio::test]
async fn a_wait_in_a_hub_that_shuts_down_answers_with_the_links() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    mock.fail_with(ClientErrorKind::ShutDown);
    let request = request("POST", "/").build();
    let response = mock.wait_for_completion_or_create_check_status_response(&request, &id("i1")).await.unwrap();
    assert_json(&TestResponse::read(response).await, 202, &check_status(ORIGIN, "i1", "i1"));
}

#[tokio::test(start_paused = true)]
async fn only_the_status_link_of_a_wait_carries_the_failure_flag() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Running);
    let request = request("POST", "/").build();
    let response = mock.wait_for_completion_or_create_check_status_response(&request, &id("i1")).fail_as_500();
    let response = TestResponse::read(response.await.unwrap()).await;
    let plain = check_status(ORIGIN, "i1", "i1");
    let flagged = plain.replacen("connection=Storage", "connection=Storage&returnInternalServerErrorOnFailure=true", 1);
    assert_json(&response, 202, &flagged);
    assert!(response.header("location").unwrap().ends_with("&returnInternalServerErrorOnFailure=true"));
}

#[tokio::test(start_paused = true)]
async fn a_retry_interval_longer_than_the_timeout_is_an_error_before_anything_else() {
    let mock = MockClient::new();
    let request = request("POST", "/").build();
    let wait = |timeout, interval| {
        let wait = mock.wait_for_completion_or_create_check_status_response(&request, &ID);
        wait.timeout(Duration::from_millis(timeout)).retry_interval(Duration::from_millis(interval))
    };
    let error = wait(500, 1_000).await.unwrap_err();
    assert!(error.is_invalid_argument());
    assert_eq!(error.to_string(), "Total timeout 0.5 should be bigger than retry timeout 1");
    assert_eq!(mock.calls(), []);
    assert!(wait(1_000, 1_000).await.is_ok());
    assert!(wait(0, 0).await.is_ok());
}

static ID: std::sync::LazyLock<InstanceId> = std::sync::LazyLock::new(|| id("i1"));

#[test]
fn the_service_can_be_sent_and_shared() {
    fn check<T: Clone + Send + Sync + 'static>() {}
    check::<DurableService>();
}
