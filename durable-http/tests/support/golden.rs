//! Requests and the exact responses to them, under both base paths.

use std::sync::Arc;

use durable_core::model::{FailureDetails, Payload, RuntimeStatus};
use durable_http::testing::{TestRequest, TestResponse, request};

use super::{JSON, MockClient, RPC, WEBHOOK, send};

/// An instance in each state, with the state in small letters as its id.
pub(crate) fn one_of_each() -> Arc<MockClient> {
    let mock = MockClient::new();
    for status in RuntimeStatus::ALL {
        mock.put_with(&status.as_str().to_lowercase(), |instance| {
            instance.runtime_status = status;
            match status {
                RuntimeStatus::Completed => instance.output = Some(Payload::from_json("[\"Grüße\"]").unwrap()),
                RuntimeStatus::Failed => instance.failure = Some(FailureDetails::new("Error", "no luck")),
                RuntimeStatus::Terminated => instance.termination_reason = Some("12 monkeys".to_owned()),
                _ => {}
            }
        });
    }
    mock
}

/// The status object of an instance in [`one_of_each`].
pub(crate) fn status_of(id: &str) -> String {
    let status = RuntimeStatus::ALL.into_iter().find(|status| status.as_str().eq_ignore_ascii_case(id)).unwrap();
    let output = match status {
        RuntimeStatus::Completed => "[\"Grüße\"]",
        RuntimeStatus::Failed => "\"Orchestrator function 'Hello' failed: no luck\"",
        RuntimeStatus::Terminated => "\"12 monkeys\"",
        _ => "null",
    };
    format!(
        "{{\"name\":\"Hello\",\"instanceId\":\"{id}\",\"runtimeStatus\":\"{status}\",\"input\":{{\"city\": \"Tokyo\"}},\
         \"customStatus\":null,\"output\":{output},\
         \"createdTime\":\"2024-05-01T12:00:00Z\",\"lastUpdatedTime\":\"2024-05-01T12:00:00Z\"}}"
    )
}

/// The response as one text: the code and all header fields by name, then the body. The usual content type is `json`.
pub(crate) fn render(response: &TestResponse) -> String {
    let mut fields: Vec<String> = response
        .headers
        .iter()
        .map(|(name, value)| match (name.as_str(), value.to_str().unwrap()) {
            ("content-type", JSON) => "json".to_owned(),
            (name, value) => format!("{name}={value}"),
        })
        .collect();
    fields.sort();
    fields.insert(0, response.status.as_str().to_owned());
    format!("{}\n{}", fields.join(" "), response.body)
}

/// Sends `VERB path` under both base paths, each to a world of its own, and compares all of the response. In `expected`,
/// `{base}` is the base path.
pub(crate) async fn golden(line: &str, edit: impl Fn(TestRequest) -> TestRequest, expected: &str) {
    golden_in(one_of_each, line, edit, expected).await;
}

/// Like [`golden`], in this world.
pub(crate) async fn golden_in(
    world: impl Fn() -> Arc<MockClient>,
    line: &str,
    edit: impl Fn(TestRequest) -> TestRequest,
    expected: &str,
) {
    let (verb, path) = line.split_once(' ').unwrap();
    for base in [RPC, WEBHOOK] {
        let response = send(&world(), edit(request(verb, format!("{base}/{path}")))).await;
        assert_eq!(render(&response), expected.replace("{base}", base), "{line}");
    }
}

/// A request as it is.
pub(crate) fn plain(request: TestRequest) -> TestRequest {
    request
}

/// A response with nothing but a code.
pub(crate) fn bare(code: u16) -> String {
    format!("{code}\n")
}

/// A JSON response without header fields of its own.
pub(crate) fn json(code: u16, body: &str) -> String {
    format!("{code} json\n{body}")
}
