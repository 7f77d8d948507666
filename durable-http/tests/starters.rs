//! Functions that answer requests: their routes, their arguments, and what they return.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use durable_core::activity::State;
use durable_core::client::{Client, ClientErrorKind};
use durable_core::model::{FunctionName, InstanceId, Payload, RuntimeStatus};
use durable_http::testing::{TestRequest, TestResponse, call, request};
use durable_http::{
    Body, DurableClientHttpExt, DurableService, HttpError, HttpRequest, Json, RawBody, Starters, StartersError, Text,
    http_starter,
};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};
use support::*;

const ORIGIN: &str = "http://localhost:7071";

#[http_starter(route = "startandwait/{orchestrator}/{timeout?}/{interval=1}")]
async fn start_and_wait(
    client: Client,
    request: HttpRequest,
    orchestrator: FunctionName,
    timeout: Option<Duration>,
    interval: Duration,
    Json(input): Json<Payload>,
) -> Result<Response<Body>, HttpError> {
    let instance = client.start(orchestrator, input).await?;
    let wait = client.wait_for_completion_or_create_check_status_response(&request, instance.id());
    Ok(wait.timeout(timeout.unwrap_or(Duration::from_secs(10))).retry_interval(interval).await?)
}

/// Shows what its arguments are.
#[http_starter(route = "show/{id}/{size:int=5}?{showHistory=false}&{ratio?}", methods("GET", "PUT"))]
async fn show(id: InstanceId, size: u8, show_history: bool, ratio: Option<f64>) -> Json<String> {
    Json(format!("{id} {size} {show_history} {ratio:?}"))
}

#[derive(Debug, Deserialize, Serialize)]
struct Order {
    items: Vec<u32>,
}

#[http_starter]
async fn order(Json(order): Json<Order>) -> Json<usize> {
    Json(order.items.len())
}

#[http_starter]
async fn maybe(Json(order): Json<Option<Order>>) -> StatusCode {
    if order.is_some() { StatusCode::OK } else { StatusCode::NO_CONTENT }
}

fn service(mock: &Arc<MockClient>, edit: impl FnOnce(Starters) -> Starters) -> DurableService {
    mock.service().without_management().starters(edit(Starters::new())).unwrap()
}

async fn ask(service: &DurableService, request: TestRequest) -> TestResponse {
    call(service, request).await
}

/// A service of one function that needs no instances.
macro_rules! only {
    ($starter:expr) => {
        service(&MockClient::new(), |starters| starters.starter($starter))
    };
}

fn mistakes(starters: Starters) -> StartersError {
    MockClient::new().service().starters(starters).unwrap_err()
}

#[tokio::test]
async fn a_starter_is_called_in_a_unit_test_as_any_function() {
    let mock = MockClient::new();
    let start = request("POST", "/").into();
    let input = Json(Payload::from_json(r#"{"b": 1.50}"#).unwrap());
    let hello = FunctionName::new("Hello").unwrap();
    let waiting = start_and_wait(mock.client(), start, hello, Some(Duration::ZERO), Duration::ZERO, input);
    let response = TestResponse::read(waiting.await.unwrap()).await;
    assert_eq!(response.status, 202);
    let Call::Start { input, .. } = &mock.calls()[0] else { panic!("{:?}", mock.calls()) };
    assert_eq!(input, r#"{"b": 1.50}"#);
}

#[tokio::test]
async fn parameters_come_from_the_path_then_the_query_then_the_default() {
    let service = only!(show);
    for (target, expected) in [
        ("/api/show/a%20b", "a b 5 false None"),
        ("/API/Show/a%2Bb+c/7/", "a+b+c 7 false None"),
        ("/api/show/a/7?size=8&showhistory=TRUE&RATIO=0.5", "a 7 true Some(0.5)"),
        ("/api/show/a?size=8&ratio=", "a 8 false None"),
        ("/api/show/a?size=%20&show_history=true", "a 5 false None"),
        ("/api/show/a?id=b&ratio=+2+", "a 5 false Some(2.0)"),
    ] {
        let response = ask(&service, request("GET", target)).await;
        assert_json(&response, 200, &format!("\"{expected}\""));
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_named() {
    let service = only!(show);
    for (target, message) in [
        ("/api/show/a/256", "The value '256' of the parameter 'size' is not a whole number from 0 to 255."),
        ("/api/show/a?showHistory=maybe", "The value 'maybe' of the parameter 'showHistory' is not `true` or `false`."),
        ("/api/show/a?ratio=1&ratio=2", "The value '1,2' of the parameter 'ratio' is not a number."),
    ] {
        assert_json(&ask(&service, request("GET", target)).await, 400, &bad_argument(message));
    }
    let response = ask(&service, request("GET", "/api/show/a%2Fb")).await;
    assert_eq!(response.status, 400);
    assert!(response.body.contains("The value 'a/b' of the parameter 'id' is not an instance id"), "{}", response.body);
}

#[http_starter(route = "needs?{count}", methods("GET"))]
async fn needs(count: u32) -> Json<u32> {
    Json(count)
}

#[tokio::test]
async fn a_parameter_of_the_query_may_be_required() {
    let service = only!(needs);
    assert_json(&ask(&service, request("GET", "/api/needs?count=3")).await, 200, "3");
    let message = "The parameter 'count' is missing. Expected is a whole number of 32 bits from 0 on.";
    assert_json(&ask(&service, request("GET", "/api/needs?count=")).await, 400, &bad_argument(message));
}

#[tokio::test]
async fn outside_the_routes_there_is_nothing_and_another_verb_is_told_the_right_ones() {
    let service = only!(show);
    for target in ["/", "/api", "/api/show", "/api/show//", "/api/show/a/1/2", "/show/a", "/api/shows/a"] {
        assert_empty(&ask(&service, request("GET", target)).await, 404);
    }
    let response = ask(&service, request("POST", "/api/show/a")).await;
    assert_empty(&response, 405);
    assert_eq!(response.header("allow"), Some("GET, PUT"));
}

#[tokio::test]
async fn the_prefix_may_be_empty_or_long() {
    let mock = MockClient::new();
    for (prefix, target) in [("", "/needs"), ("/my/API/", "/My/api/needs")] {
        let service = service(&mock, |starters| starters.starter(needs)).route_prefix(prefix);
        assert_json(&ask(&service, request("GET", format!("{target}?count=1"))).await, 200, "1");
        assert_empty(&ask(&service, request("GET", "/api/needs?count=1")).await, 404);
    }
}

#[tokio::test]
async fn a_body_that_does_not_fit_is_answered_with_the_field() {
    let service = only!(order);
    assert_json(&ask(&service, request("POST", "/api/order").json(&Order { items: vec![1, 2] })).await, 200, "2");
    let post = |body: &'static str| request("POST", "/api/order").body("text/plain", body);
    for (body, text) in [
        (r#"{"items":[1,"two"]}"#, "items[1]: invalid type: string"),
        ("", "invalid type: null"),
        ("{", "EOF while parsing"),
        ("1 2", "trailing characters"),
    ] {
        let response = ask(&service, post(body)).await;
        assert_eq!(response.status, 400);
        let error: serde_json::Value = response.json();
        assert_eq!(error["Message"], "Invalid JSON content");
        assert!(error["ExceptionMessage"].as_str().unwrap().starts_with(text), "{error}");
    }
    assert_json(&ask(&service, post("\u{feff} {\"items\": []}\n")).await, 200, "0");
}

#[tokio::test]
async fn an_optional_body_may_be_empty() {
    let service = only!(maybe);
    assert_empty(&ask(&service, request("POST", "/api/maybe")).await, 204);
    assert_empty(&ask(&service, request("POST", "/api/maybe").body("", " null ")).await, 204);
    assert_empty(&ask(&service, request("POST", "/api/maybe").json(&Order { items: vec![] })).await, 200);
}

#[http_starter(route = "texts")]
async fn text_of(Text(text): Text, RawBody(bytes): RawBody, State(suffix): State<&'static str>) -> Json<String> {
    Json(format!("{text}{}{suffix}", bytes.len()))
}

#[tokio::test]
async fn bodies_come_as_text_and_as_bytes_and_state_as_it_was_given() {
    let service = service(&MockClient::new(), |starters| starters.state("!").starter(text_of));
    assert_json(&ask(&service, request("POST", "/api/texts").body("", "é")).await, 200, "\"é2!\"");
    let response = ask(&service, request("POST", "/api/texts").body("", &b"\xff"[..])).await;
    assert_eq!(response.status, 400);
    assert!(response.body.starts_with("{\"Message\":\"The request body is no text"), "{}", response.body);
}

#[tokio::test]
async fn client_errors_are_answered_as_the_management_api_answers_them() {
    let mock = MockClient::new();
    let own = service(&mock, |starters| starters.starter(start_and_wait));
    for kind in [
        ClientErrorKind::ShutDown,
        ClientErrorKind::AlreadyExists { id: "a".try_into().unwrap(), status: RuntimeStatus::Running },
    ] {
        mock.fail_with(kind);
        let expected = post(&mock, &format!("{RPC}/orchestrators/Hello/i1")).await;
        let response = ask(&own, request("POST", "/api/startandwait/Hello")).await;
        assert_eq!((response.status, response.body), (expected.status, expected.body));
    }
}

#[http_starter(route = "fails/{how}")]
async fn fails(how: String) -> Result<(), HttpError> {
    match how.as_str() {
        "said" => Err(HttpError::new(StatusCode::IM_A_TEAPOT, "no coffee")),
        "bad" => Err(HttpError::bad_request("no tea")),
        "panic" => panic!("secret"),
        "error" => Err(std::io::Error::other("the disk is full"))?,
        _ => Ok(()),
    }
}

#[tokio::test]
async fn errors_and_panics_become_responses() {
    let service = only!(fails);
    let went_wrong = |text| {
        let message = "Something went wrong while processing your request";
        long_error(message, text, "System.InvalidOperationException")
    };
    for (how, code, body) in [
        ("said", 418, r#"{"Message":"no coffee"}"#.to_owned()),
        ("bad", 400, r#"{"Message":"no tea"}"#.to_owned()),
        ("panic", 500, went_wrong("The function panicked.")),
        ("error", 500, went_wrong("the disk is full")),
    ] {
        assert_json(&ask(&service, request("POST", format!("/api/fails/{how}"))).await, code, &body);
    }
    assert_empty(&ask(&service, request("POST", "/api/fails/not")).await, 204);
}

#[tokio::test(start_paused = true)]
async fn the_demo_waits_and_then_says_where_to_look() {
    let mock = MockClient::new();
    let service = service(&mock, |starters| starters.starter(start_and_wait));
    let body = " {\"b\": 1.50,  \"a\": []} ";
    let response = ask(&service, request("POST", "/api/startandwait/Hello/2.5/0.5").body("", body)).await;
    let id = response.json::<serde_json::Value>()["id"].as_str().unwrap().to_owned();
    assert_json(&response, 202, &check_status(ORIGIN, &id, &id));
    let start = Call::Start { name: "Hello".to_owned(), id: None, input: body.trim().to_owned() };
    assert_eq!(mock.calls(), [start, Call::Wait { id, timeout: Some(Duration::from_millis(2_500)) }]);
}

mod ambiguous {
    use super::*;

    #[http_starter(route = "things/{id}", methods("GET", "POST"))]
    pub(super) async fn by_id(id: String) -> Json<String> {
        Json(id)
    }

    #[http_starter(route = "Things/{name}", methods("GET"))]
    pub(super) async fn by_name(name: String) -> Json<String> {
        Json(name)
    }

    #[http_starter(route = "things/mine", methods("GET"))]
    pub(super) async fn mine() -> Json<&'static str> {
        Json("all of mine")
    }
}

#[tokio::test]
async fn a_literal_goes_before_a_parameter() {
    let service = service(&MockClient::new(), |starters| starters.starter(ambiguous::by_id).starter(ambiguous::mine));
    assert_json(&ask(&service, request("GET", "/api/things/mine")).await, 200, "\"all of mine\"");
    assert_json(&ask(&service, request("GET", "/api/things/7")).await, 200, "\"7\"");
    assert_json(&ask(&service, request("POST", "/api/things/mine")).await, 200, "\"mine\"");
    assert_eq!(ask(&service, request("PUT", "/api/things/mine")).await.header("allow"), Some("GET, POST"));
}

#[test]
fn every_mistake_of_a_set_is_told_at_once() {
    let starters = Starters::new().state(1_u32).state(2_u32);
    let starters = starters.starter(ambiguous::by_id).starter(ambiguous::by_name).starter(text_of);
    let error = mistakes(starters);
    assert!(error.is_ambiguous() && error.is_missing_state());
    assert_eq!(error.ambiguous().collect::<Vec<_>>(), [["by_id", "by_name"]]);
    assert_eq!(error.mistakes().len(), 3, "{error}");
    assert!(error.to_string().contains("'by_id' (GET things/{id}) and 'by_name' (GET Things/{name})"), "{error}");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let service = only!(order);
    let response = ask(&service, request("POST", "/api/order").body("", vec![b' '; 16 * 1024 * 1024 + 1])).await;
    assert_eq!(response.status, 413);
}

#[http_starter(methods("GET"))]
async fn words() -> String {
    "hello".to_owned()
}

#[http_starter(methods("GET"))]
async fn number(State(number): State<u32>) -> Json<u32> {
    Json(number)
}

#[tokio::test]
async fn sets_of_starters_stand_side_by_side() {
    let service = MockClient::new().service().key("a-long-and-secret-word").unwrap();
    let service = service.starters(Starters::new().starter(words).anonymous()).unwrap();
    let service = service.starters(Starters::new().starter(number).state(7_u32)).unwrap();
    let text = call(&service, request("GET", "/api/words")).await;
    assert_eq!((text.body.as_str(), text.header("content-type")), ("hello", Some("text/plain; charset=utf-8")));
    assert_eq!(call(&service, request("GET", "/api/number")).await.status, 401, "the other set is not anonymous");
    let with_key = request("GET", "/api/number").header("x-functions-key", "a-long-and-secret-word");
    assert_eq!(call(&service, with_key).await.body, "7");
    let error = service.starters(Starters::new().starter(words)).unwrap_err();
    assert!(error.is_ambiguous(), "{error}");
}

#[http_starter(methods("GET"))]
async fn payload(client: Client) -> Result<Json<durable_http::HttpManagementPayload>, HttpError> {
    Ok(Json(client.create_http_management_payload(&"i1".try_into()?)?))
}

#[tokio::test]
async fn who_has_no_key_gets_none_without_a_request_either() {
    const KEY: &str = "a-long-and-secret-word";
    let service = MockClient::new().service().key(KEY).unwrap();
    let service = service.starters(Starters::new().starter(payload).anonymous()).unwrap();
    let without = call(&service, request("GET", "/api/payload")).await;
    assert!(without.status == 200 && !without.body.contains(KEY), "{}", without.body);
    let with_key = call(&service, request("GET", "/api/payload").header("x-functions-key", KEY)).await;
    assert!(with_key.body.contains(KEY), "{}", with_key.body);
}
