//! The service inside an axum application.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post as on_post};
use durable_core::client::{Client, StartRequest};
use durable_core::model::{FunctionName, Payload};
use durable_http::DurableClientHttpExt;
use durable_http::testing::{call, request};
use support::*;

#[tokio::test]
async fn it_is_the_fallback_of_a_router() {
    let mock = MockClient::new();
    let app = Router::new().route("/", on_get(|| async { "home" })).fallback_service(mock.service());
    assert_eq!(call(&app, request("GET", "/")).await.body, "home");
    let response = call(&app, request("POST", format!("{WEBHOOK}/orchestrators/Hello/i1")).json(&1)).await;
    assert_json(&response, 202, &check_status("http://localhost:7071", "i1", "i1"));
    assert_empty(&call(&app, request("GET", "/favicon.ico")).await, 404);
}

#[tokio::test]
async fn it_is_a_route_of_a_router() {
    let mock = MockClient::new();
    let app = Router::new().route_service("/durabletask/{*rest}", mock.service());
    assert_eq!(call(&app, request("POST", format!("{RPC}/orchestrators/Hello/i1"))).await.status, 202);
    assert_eq!(call(&app, request("GET", format!("{RPC}/instances/"))).await.status, 200);
}

/// A starter as users write it.
async fn http_start(State(client): State<Client>, request: axum::extract::Request) -> impl IntoResponse {
    let start = StartRequest::new(FunctionName::new("Hello").unwrap(), Payload::null());
    let id = client.as_dyn().start(start.with_id("i1".try_into().unwrap())).await.unwrap();
    client.create_check_status_response(&request, &id)
}

async fn start_and_wait(State(client): State<Client>, request: axum::extract::Request) -> impl IntoResponse {
    let id = "i1".try_into().unwrap();
    client.wait_for_completion_or_create_check_status_response(&request, &id).await.unwrap()
}

#[tokio::test]
async fn own_functions_answer_beside_it() {
    let mock = MockClient::new();
    let app = Router::new()
        .route("/api/start", on_post(http_start))
        .route("/api/wait", on_post(start_and_wait))
        .with_state(mock.client())
        .fallback_service(mock.service());
    let response = call(&app, request("POST", "/api/start")).await;
    assert_json(&response, 202, &check_status("http://localhost:7071", "i1", "i1"));
    mock.complete("i1", "\"done\"");
    assert_json(&call(&app, request("POST", "/api/wait")).await, 200, "\"done\"");
}
