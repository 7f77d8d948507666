//! `GET /instances`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::client::{ClientErrorKind, InstanceQuery};
use durable_core::model::RuntimeStatus;
use durable_http::testing::request;
use support::*;

const TOKEN: &str = "x-ms-continuation-token";

fn shown(id: &str, status: &str, input: &str) -> String {
    format!(
        "{{\"name\":\"Hello\",\"instanceId\":\"{id}\",\"runtimeStatus\":\"{status}\",\"input\":{input},\
         \"customStatus\":null,\"output\":null,\
         \"createdTime\":\"2024-05-01T12:00:00Z\",\"lastUpdatedTime\":\"2024-05-01T12:00:00Z\"}}"
    )
}

/// The query that reaches the client for these parameters.
async fn query_of(parameters: &str) -> InstanceQuery {
    let mock = MockClient::new();
    assert_eq!(get(&mock, &format!("{RPC}/instances/?{parameters}")).await.status, 200, "{parameters}");
    match mock.calls().as_slice() {
        [Call::List(query)] => query.clone(),
        other => panic!("{parameters}: {other:?}"),
    }
}

#[tokio::test]
async fn a_list_is_an_array_of_status_objects_without_history() {
    let mock = MockClient::new();
    mock.put("b", RuntimeStatus::Running);
    mock.put("a", RuntimeStatus::Completed);
    let input = r#"{"city": "Tokyo"}"#;
    for (target, input) in [
        (format!("{RPC}/instances/"), input),
        (format!("{WEBHOOK}/instances?showHistory=true&returnInternalServerErrorOnFailure=true"), input),
        (format!("{WEBHOOK}/INSTANCES?showInput=False"), "null"),
    ] {
        let response = get(&mock, &target).await;
        let expected = format!("[{},{}]", shown("a", "Completed", input), shown("b", "Running", input));
        assert_json(&response, 200, &expected);
        assert_eq!(response.header("location"), None);
    }
}

#[tokio::test]
async fn the_continuation_header_is_always_there_and_empty_at_the_end() {
    let mock = MockClient::new();
    let response = get(&mock, &format!("{RPC}/instances")).await;
    assert_json(&response, 200, "[]");
    assert_eq!(response.header(TOKEN), Some(""));
    mock.continue_with("after-7");
    assert_eq!(get(&mock, &format!("{RPC}/instances")).await.header(TOKEN), Some("after-7"));
}

#[tokio::test]
async fn any_token_survives_the_way_there_and_back() {
    for token in ["plain", "Grüße", "100% \r\n", "a b+c", "%41"] {
        let mock = MockClient::new();
        mock.continue_with(token);
        let sent = get(&mock, &format!("{RPC}/instances")).await.header(TOKEN).unwrap().to_owned();
        send(&mock, request("GET", format!("{RPC}/instances")).header(TOKEN, sent)).await;
        match mock.calls().as_slice() {
            [_, Call::List(query)] => assert_eq!(query.continuation.as_deref(), Some(token)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_blank_token_asks_for_the_first_page_and_a_foreign_one_is_a_400() {
    let mock = MockClient::new();
    send(&mock, request("GET", format!("{RPC}/instances")).header(TOKEN, " ")).await;
    assert_eq!(mock.calls(), [Call::List(InstanceQuery::default())]);
    let response = send(&mock, request("GET", format!("{RPC}/instances")).header(TOKEN, "%ff")).await;
    assert_json(&response, 400, &bad_argument("the continuation token is not valid"));
    mock.fail_with(ClientErrorKind::InvalidArgument { message: "what token is this".to_owned() });
    let response = send(&mock, request("GET", format!("{RPC}/instances")).header(TOKEN, "x")).await;
    assert_json(&response, 400, &bad_argument("what token is this"));
}

#[tokio::test]
async fn filters_reach_the_client() {
    let query = query_of(
        "instanceIdPrefix=order-&createdTimeFrom=2024-05-01T12:00:00.1234567Z&createdTimeTo=2024-05-02&runtimeStatus=Running,Failed&top=7",
    )
    .await;
    let mut expected = InstanceQuery::default();
    expected.id_prefix = Some("order-".to_owned());
    expected.created_from = Some("2024-05-01T12:00:00.1234567Z".parse().unwrap());
    expected.created_to = Some("2024-05-02T00:00:00Z".parse().unwrap());
    expected.statuses = vec![RuntimeStatus::Running, RuntimeStatus::Failed];
    expected.page_size = 7;
    assert_eq!(query, expected);
}

#[tokio::test]
async fn without_filters_a_page_has_100_instances() {
    assert_eq!(query_of("").await, InstanceQuery::default());
    assert_eq!(InstanceQuery::default().page_size, 100);
}

#[tokio::test]
async fn the_page_size_is_kept_within_bounds() {
    for (top, size) in [("1", 1), ("1000", 1000), ("5000", 1000), ("0", 100), ("-3", 100), ("many", 100), ("2.5", 100)]
    {
        assert_eq!(query_of(&format!("top={top}")).await.page_size, size, "{top}");
    }
}

#[tokio::test]
async fn statuses_are_case_sensitive_names_or_numbers_and_the_rest_is_dropped() {
    use RuntimeStatus::{Completed, Failed, Running, Terminated};
    for (parameters, statuses) in [
        ("runtimeStatus=Completed", vec![Completed]),
        ("RUNTIMESTATUS=Completed", vec![Completed]),
        ("runtimeStatus=Completed&runtimeStatus=Failed", vec![Completed, Failed]),
        ("runtimeStatus=Completed,%20Failed,0", vec![Completed, Failed, Running]),
        ("runtimeStatus=completed", vec![]),
        ("runtimeStatus=Completed,Nonsense,99,-1", vec![Completed]),
        // What the `.http` demos send is no list of numbers.
        ("runtimeStatus=[1,5]", vec![]),
        ("runtimeStatus=1,5", vec![Completed, Terminated]),
        ("runtimeStatus=", vec![]),
        ("runtimeStatus=Unknown", vec![]),
    ] {
        assert_eq!(query_of(parameters).await.statuses, statuses, "{parameters}");
    }
}

#[tokio::test]
async fn an_unknown_hub_has_an_empty_list() {
    let mock = MockClient::new();
    mock.put("a", RuntimeStatus::Running);
    let response = get(&mock, &format!("{RPC}/instances?taskHub=Other")).await;
    assert_json(&response, 200, "[]");
    assert_eq!(response.header(TOKEN), Some(""));
    assert_eq!(mock.calls(), []);
}
