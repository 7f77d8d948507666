//! Orchestrators that requests start: `#[orchestrator(http = "...")]`.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use durable_core::client::InstanceQuery;
use durable_core::prelude::*;
use durable_http::testing::{TestResponse, call, request};
use durable_http::{DurableService, Starters, StartersError};
use serde::{Deserialize, Serialize};
use support::*;

const ORIGIN: &str = "http://localhost:7071";

#[derive(Debug, Deserialize, Serialize)]
struct Person {
    name: String,
    age: u8,
}

#[orchestrator(name = "Hello", http = "hello/{id?}")]
async fn hello(_ctx: OrchestrationContext, person: Person) -> String {
    format!("Hello {}!", person.name)
}

#[orchestrator(name = "Goodbye", http = "GET goodbye/{timeout:duration}/{interval=0.5}")]
async fn goodbye(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("never").await
}

/// Without a request that starts it.
#[orchestrator]
async fn hidden(_ctx: OrchestrationContext) {}

async fn hub() -> TaskHub {
    let hub = TaskHub::builder().name("TestHub").backend(Memory::new());
    hub.orchestrator(hello).orchestrator(goodbye).orchestrator(hidden).start().await.unwrap()
}

/// The starters of a hub in front of a mock, which tells what they ask for.
async fn service() -> (Arc<MockClient>, DurableService) {
    let (hub, mock) = (hub().await, MockClient::new());
    let service = mock.service().starters(Starters::new().starters_of(&hub)).unwrap();
    hub.shutdown().await.unwrap();
    (mock, service)
}

async fn greet(service: &DurableService, target: &str) -> TestResponse {
    call(service, request("POST", target).json(&Person { name: "Ada".to_owned(), age: 36 })).await
}

fn mistakes(starters: Starters) -> StartersError {
    MockClient::new().service().starters(starters).unwrap_err()
}

#[tokio::test]
async fn a_request_starts_and_waits_in_a_real_hub() {
    let hub = hub().await;
    let service = DurableService::of(&hub).unwrap();
    assert_eq!(service_names(&hub), ["Goodbye", "Hello"]);
    assert_json(&greet(&service, "/api/hello/a%20b").await, 202, &check_status(ORIGIN, "a b", "a%20b"));
    assert_json(&greet(&service, "/api/hello?timeout=20").await, 200, "\"Hello Ada!\"");
    let twice = [greet(&service, "/api/hello").await, greet(&service, "/api/hello?id=mine").await];
    let ids = twice.map(|response| response.json::<serde_json::Value>()["id"].as_str().unwrap().to_owned());
    assert_eq!((ids[0].len(), ids[1].as_str()), (32, "mine"));
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_read_only_service_starts_nothing() {
    let hub = hub().await;
    let service = DurableService::of(&hub).unwrap().read_only();
    assert_json(&greet(&service, "/api/hello/one").await, 403, r#"{"Message":"This server is read-only."}"#);
    assert_eq!(call(&service, request("GET", "/api/goodbye/0/0")).await.status, 403);
    assert_eq!(hub.client().count(InstanceQuery::new()).await.unwrap(), 0);
    hub.shutdown().await.unwrap();
}

fn service_names(hub: &TaskHub) -> Vec<&str> {
    hub.http_triggers().iter().map(|trigger| trigger.name().as_str()).collect()
}

#[tokio::test]
async fn the_input_is_checked_before_anything_is_started() {
    let (mock, service) = service().await;
    for (body, text) in [
        (r#"{"name":"Ada","age":300}"#, "age: invalid value"),
        (r#"{"name":"Ada"}"#, "missing field `age`"),
        ("", "invalid type: null"),
        ("{", "EOF"),
    ] {
        let response = call(&service, request("POST", "/api/hello").body("application/json", body)).await;
        let error: serde_json::Value = response.json();
        assert_eq!((response.status.as_u16(), &error["Message"]), (400, &"Invalid JSON content".into()));
        assert!(error["ExceptionMessage"].as_str().unwrap().starts_with(text), "{error}");
    }
    assert_eq!(mock.calls(), []);
}

#[tokio::test]
async fn what_else_is_wrong_is_found_before_anything_is_started() {
    let (mock, service) = service().await;
    for (target, message) in [
        ("/api/hello?timeout=0.5", "Total timeout 0.5 should be bigger than retry timeout 1"),
        ("/api/hello?timeout=3&interval=4", "Total timeout 3 should be bigger than retry timeout 4"),
    ] {
        assert_json(&greet(&service, target).await, 400, &bad_argument(message));
    }
    for target in ["/api/hello?timeout=-1", "/api/hello?interval=x", "/api/hello/@a"] {
        assert_eq!(greet(&service, target).await.status, 400, "{target}");
    }
    assert_empty(&call(&service, request("GET", "/api/goodbye")).await, 404);
    assert_empty(&call(&service, request("GET", "/api/hidden")).await, 404);
    assert_empty(&call(&service, request("GET", "/api/hello")).await, 405);
    assert_eq!(mock.calls(), []);
}

#[tokio::test(start_paused = true)]
async fn the_route_may_ask_for_the_timeout_and_an_input_is_kept_byte_for_byte() {
    let (mock, service) = service().await;
    let target = "/api/goodbye/PT2.5S?id=ignored";
    let response = call(&service, request("GET", target).body("text/plain", " {\"b\": 1.50} ")).await;
    assert_eq!(response.status, 202, "{}", response.body);
    let [Call::Start { name, id: None, input }, Call::Wait { timeout, .. }] = &mock.calls()[..] else {
        panic!("{:?}", mock.calls())
    };
    assert_eq!((name.as_str(), input.as_str()), ("Goodbye", r#"{"b": 1.50}"#));
    assert_eq!(*timeout, Some(Duration::from_millis(2_500)));
}

#[tokio::test]
async fn a_start_takes_over_the_trace() {
    let (mock, service) = service().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let person = Person { name: "Ada".to_owned(), age: 36 };
    call(&service, request("POST", "/api/hello").header("traceparent", parent).json(&person)).await;
    assert_eq!(mock.traces()[0].as_ref().unwrap().traceparent(), parent);
}

#[tokio::test]
async fn a_service_that_stops_answers_those_who_wait() {
    let (mock, service) = service().await;
    let waiting = tokio::spawn({
        let service = service.clone();
        async move { greet(&service, "/api/hello/mine?timeout=3000").await }
    });
    mock.called(|call| matches!(call, Call::Wait { .. })).await;
    service.stop_waiting();
    assert_json(&within_reason(waiting).await.unwrap(), 202, &check_status(ORIGIN, "mine", "mine"));
}

mod versions {
    use super::*;

    #[orchestrator(name = "order", version = "1", http = "order")]
    pub(super) async fn first(_ctx: OrchestrationContext, input: u32) -> u32 {
        input
    }

    #[orchestrator(name = "order", version = "2", http = "POST order")]
    pub(super) async fn second(_ctx: OrchestrationContext, input: String) -> String {
        input
    }

    #[orchestrator(name = "order", version = "3", http = "orders")]
    pub(super) async fn third(_ctx: OrchestrationContext) {}
}

#[tokio::test]
async fn of_several_versions_a_request_starts_the_default_one() {
    for (default, body) in [("1", "7"), ("2", "\"seven\"")] {
        let hub = TaskHub::builder().backend(Memory::new()).version(default);
        let hub = hub.orchestrator(versions::second).orchestrator(versions::first).start().await.unwrap();
        let service = DurableService::of(&hub).unwrap();
        let response = call(&service, request("POST", "/api/order?timeout=20").body("", body)).await;
        assert_json(&response, 200, body);
        hub.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn versions_with_different_routes_keep_a_hub_from_starting() {
    let hub = TaskHub::builder().backend(Memory::new());
    let error = hub.orchestrator(versions::first).orchestrator(versions::third).start().await.unwrap_err();
    assert!(error.mistakes_in_builder()[0].contains("\"POST order\" and \"POST orders\""), "{error}");
}

#[tokio::test]
async fn an_orchestrator_and_a_starter_cannot_share_a_route() {
    #[durable_http::http_starter(route = "hello")]
    async fn other() {}

    let hub = hub().await;
    let error = mistakes(Starters::new().starter(other).starters_of(&hub));
    assert_eq!(error.ambiguous().collect::<Vec<_>>(), [["other", "Hello"]]);
    hub.shutdown().await.unwrap();
}
