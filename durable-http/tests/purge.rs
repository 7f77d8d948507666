//! `DELETE /instances/{instanceId}` and `DELETE /instances`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;

use durable_core::client::{ClientErrorKind, InstanceQuery, PurgePage};
use durable_core::model::RuntimeStatus;
use durable_http::testing::{TestResponse, request};
use support::*;

const FINAL: [RuntimeStatus; 4] =
    [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated];

async fn delete(mock: &Arc<MockClient>, path: &str) -> TestResponse {
    // Demos send this type with no body.
    send(mock, request("DELETE", format!("{RPC}/{path}")).body("application/json", "")).await
}

fn page(deleted: u64, continuation: Option<&str>) -> PurgePage {
    PurgePage { deleted, continuation: continuation.map(str::to_owned) }
}

fn from_may() -> InstanceQuery {
    InstanceQuery::new().created_from("2024-05-01T00:00:00Z".parse().unwrap())
}

#[tokio::test]
async fn a_finished_instance_is_removed() {
    let mock = MockClient::new();
    for status in FINAL {
        mock.put("i1", status);
        assert_json(&delete(&mock, "instances/i1").await, 200, "{\"instancesDeleted\":1}");
        assert_empty(&delete(&mock, "instances/i1").await, 404);
    }
    assert_eq!(mock.calls()[0], Call::Purge { id: "i1".to_owned() });
}

#[tokio::test]
async fn a_live_instance_is_a_412_with_a_text() {
    let mock = MockClient::new();
    for status in [RuntimeStatus::Running, RuntimeStatus::Pending, RuntimeStatus::Suspended] {
        mock.put("i1", status);
        let expected = format!("\"instance 'i1' is {status}, and would have to be finished to be purged\"");
        assert_json(&delete(&mock, "instances/i1").await, 412, &expected);
    }
    assert!(mock.status_now("i1").is_some());
}

#[tokio::test]
async fn an_id_that_nothing_has_is_an_empty_404() {
    let mock = MockClient::new();
    mock.put("i1", RuntimeStatus::Completed);
    for path in ["instances/nope", "instances/@a@b", "instances/i1?taskHub=Other"] {
        assert_empty(&delete(&mock, path).await, 404);
    }
}

#[tokio::test]
async fn many_are_removed_page_by_page() {
    let mock = MockClient::new();
    mock.purge_next(vec![page(2, Some("next")), page(0, Some("last")), page(1, None)]);
    let path = "instances/?createdTimeFrom=2024-05-01&createdTimeTo=2024-05-02T00:00:00Z&runtimeStatus=Completed,3";
    assert_json(&delete(&mock, path).await, 200, "{\"instancesDeleted\":3}");
    let query = from_may()
        .created_to("2024-05-02T00:00:00Z".parse().unwrap())
        .statuses([RuntimeStatus::Completed, RuntimeStatus::Failed]);
    let expected = [
        Call::PurgePage(query.clone()),
        Call::PurgePage(query.clone().continue_from("next".to_owned())),
        Call::PurgePage(query.continue_from("last".to_owned())),
    ];
    assert_eq!(mock.calls(), expected);
}

#[tokio::test]
async fn to_remove_nothing_is_an_empty_404() {
    let mock = MockClient::new();
    assert_empty(&delete(&mock, "instances?createdTimeFrom=2024-05-01").await, 404);
    assert_empty(&delete(&mock, "instances?createdTimeFrom=2024-05-01&taskHub=Other").await, 404);
    assert_eq!(mock.calls().len(), 1);
}

/// The states that reach the client.
async fn states(query: &str) -> Option<Vec<RuntimeStatus>> {
    let mock = MockClient::new();
    delete(&mock, &format!("instances?createdTimeFrom=2024-05-01{query}")).await;
    match mock.calls().as_slice() {
        [] => None,
        [Call::PurgePage(query)] => Some(query.statuses.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn only_final_states_are_ever_asked_for() {
    let mut all = states("").await.unwrap();
    all.sort_by_key(|status| status.code());
    let mut expected = FINAL.to_vec();
    expected.sort_by_key(|status| status.code());
    assert_eq!(all, expected);
    let terminated = Some(vec![RuntimeStatus::Terminated]);
    assert_eq!(states("&runtimeStatus=Running,Terminated&runtimeStatus=nonsense").await, terminated);
}

#[tokio::test]
async fn a_list_of_states_that_cannot_be_used_removes_nothing() {
    for list in ["Running", "0,6", "completed", "[1,5]", "", ",", "%20"] {
        assert_eq!(states(&format!("&runtimeStatus={list}")).await, None, "{list}");
    }
}

#[tokio::test]
async fn without_a_lower_bound_it_is_a_400_with_a_text() {
    let mock = MockClient::new();
    for query in ["", "?createdTimeFrom=", "?createdTimeFrom=yesterday", "?createdTimeTo=2024-05-01", "?taskHub=Other"]
    {
        let expected = "\"Please provide value for 'createdTimeFrom' parameter.\"";
        assert_json(&delete(&mock, &format!("instances{query}")).await, 400, expected);
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn a_client_that_cannot_purge_is_a_long_501() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::Unsupported { operation: "purge instances" });
    let text = "this client cannot purge instances";
    let expected = long_error(text, text, "System.NotImplementedException");
    assert_json(&delete(&mock, "instances?createdTimeFrom=2024-05-01").await, 501, &expected);
}
