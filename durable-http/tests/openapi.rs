//! The OpenAPI document and what is really served.
//!
//! Every response that a test of this crate receives through `support` is held against the document. Here it is the other
//! way round: whatever is documented is served.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use durable_core::client::{ClientErrorKind, PurgePage};
use durable_core::model::RuntimeStatus;
use durable_http::DurableService;
use durable_http::testing::{TestRequest, TestResponse, request};
use http::{Method, Request};
use serde_json::{Value, json};
use support::openapi::{DOCUMENT, Operation, fault, resolved};
use support::*;
use tower_service::Service;

/// Operation and code of what was served.
type Served = BTreeSet<(&'static str, String)>;

/// Requests that are answered with every code that depends on instances and requests, each as `verb path`, with `1` as
/// the body of those that take one.
const REQUESTS: &[&str] = &[
    "POST orchestrators/Hello",
    "POST orchestrators/Hello?timeout=0&pollingInterval=1",
    "POST orchestrators/Hello/new",
    "POST orchestrators/Hello/live",
    "POST orchestrators/Nope/new",
    "GET instances",
    "GET instances/live",
    "GET instances/failed",
    "GET instances/nope",
    "GET instances/failed/history",
    "GET instances/nope/history",
    "POST instances/live/raiseEvent/E",
    "POST instances/live/raiseEvent/%07",
    "POST instances/failed/raiseEvent/E",
    "POST instances/nope/raiseEvent/E",
    "POST instances/live/suspend",
    "POST instances/failed/suspend",
    "POST instances/nope/suspend",
    "POST instances/paused/resume",
    "POST instances/failed/resume",
    "POST instances/nope/resume",
    "POST instances/failed/rewind",
    "POST instances/live/rewind",
    "POST instances/nope/rewind",
    "POST instances/failed/restart",
    "POST instances/live/restart?restartWithNewInstanceId=false",
    "POST instances/nope/restart",
    "POST instances/live/terminate",
    "POST instances/failed/terminate",
    "POST instances/nope/terminate",
    "DELETE instances/failed",
    "DELETE instances/live",
    "DELETE instances/nope",
    "DELETE instances",
    "DELETE instances?createdTimeFrom=2024-05-01&runtimeStatus=x",
    "DELETE instances?createdTimeFrom=2024-05-01",
    "GET entities",
    "POST entities",
    "DELETE entities",
    "GET entities/counter",
    "POST entities/counter",
    "DELETE entities/counter",
    "GET entities/counter/a",
    "POST entities/counter/a",
    "DELETE entities/counter/a",
    "POST makeprimary",
    "GET openapi.json",
    "GET /healthz",
    "GET /readyz",
];

/// What is not at the root is under the base path.
fn at(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { format!("{RPC}/{path}") }
}

fn parse(line: &str) -> TestRequest {
    let (verb, path) = line.split_once(' ').unwrap();
    let sent = request(verb, at(path));
    if verb == "POST" { sent.json(&1) } else { sent }
}

/// Whatever state a request may meet.
fn populated() -> Arc<MockClient> {
    let mock = MockClient::new();
    mock.put("live", RuntimeStatus::Running);
    mock.put("paused", RuntimeStatus::Suspended);
    mock.put("failed", RuntimeStatus::Failed);
    mock.purge_next(vec![PurgePage { deleted: 1, continuation: None }]);
    mock
}

/// Method and path of a line.
fn target(line: &str) -> (Method, String) {
    let (verb, target) = line.split_once(' ').unwrap();
    (verb.parse().unwrap(), at(target.split('?').next().unwrap()))
}

fn note(served: &mut Served, line: &str, response: &TestResponse) {
    let (method, path) = target(line);
    let operation = Operation::of(&method, &path).unwrap();
    served.insert((operation.id, response.status.as_str().to_owned()));
}

/// A body that never comes.
struct Stalled;

impl http_body::Body for Stalled {
    type Data = bytes::Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<bytes::Bytes>, Infallible>>> {
        Poll::Pending
    }
}

async fn send_stalled(service: &DurableService, line: &str) -> TestResponse {
    let (method, path) = target(line);
    let stalled = Request::builder().method(&method).uri(&path).body(Stalled).unwrap();
    let response = TestResponse::read(service.clone().call(stalled).await.unwrap()).await;
    assert_eq!(fault(&method, &path, &response), None);
    response
}

/// Everything that is served to these requests, with a client that works and with one that fails in every way.
async fn served() -> Served {
    let mut served = Served::new();
    for line in REQUESTS {
        note(&mut served, line, &send(&populated(), parse(line)).await);
        for service in [populated().service().key("a-long-and-secret-key").unwrap(), populated().service().read_only()]
        {
            note(&mut served, line, &send_to(&service, parse(line)).await);
        }
        let unsupported = ClientErrorKind::Unsupported { operation: "do this" };
        for failure in [ClientErrorKind::Store, ClientErrorKind::ShutDown, unsupported] {
            let mock = populated();
            mock.fail_with(failure);
            note(&mut served, line, &send(&mock, parse(line)).await);
        }
        if line.starts_with("POST") {
            let small = populated().service().max_body_bytes(0);
            note(&mut served, line, &send_to(&small, parse(line)).await);
            note(&mut served, line, &send_stalled(&populated().service(), line).await);
        }
    }
    served
}

/// An instance that ends while a request waits for it.
async fn waited(line: &str) -> TestResponse {
    let mock = populated();
    let (response, ()) = tokio::join!(send(&mock, parse(line)), async {
        mock.called(|call| matches!(call, Call::Wait { .. })).await;
        let id =
            mock.calls().into_iter().find_map(|call| if let Call::Wait { id, .. } = call { Some(id) } else { None });
        mock.complete(&id.unwrap(), "1");
    });
    response
}

#[tokio::test(start_paused = true)]
async fn every_documented_response_is_served() {
    let mut served = served().await;
    let foreign = parse("GET instances").header("x-ms-continuation-token", "%ff");
    note(&mut served, "GET instances", &send(&populated(), foreign).await);
    for line in
        ["orchestrators/Hello?timeout=9", "orchestrators/Hello/new?timeout=9", "instances/failed/restart?timeout=9"]
    {
        let line = format!("POST {line}");
        note(&mut served, &line, &waited(&line).await);
    }
    let documented: Served = Operation::all()
        .into_iter()
        .flat_map(|operation| operation.responses.keys().map(move |code| (operation.id, code.clone())))
        .collect();
    let missing: Vec<_> = documented.difference(&served).collect();
    assert!(missing.is_empty(), "documented, but not served: {missing:?}");
    let unknown: Vec<_> = served.difference(&documented).collect();
    assert!(unknown.is_empty(), "served, but not documented: {unknown:?}");
}

#[tokio::test]
async fn the_document_is_served_as_it_is_checked_in() {
    let mock = MockClient::new();
    mock.fail_with(ClientErrorKind::Store);
    for path in ["openapi.json", "OpenAPI.json/", "openapi.json?taskHub=Other"] {
        for base in [RPC, WEBHOOK] {
            assert_json(&get(&mock, &format!("{base}/{path}")).await, 200, include_str!("../openapi.json"));
        }
    }
    assert_empty(&get(&mock, "/openapi.json").await, 404);
    assert_empty(&post(&mock, &format!("{RPC}/openapi.json")).await, 404);
    assert_empty(&get(&mock, &format!("{RPC}/openapi.json/x")).await, 404);
}

/// Every object of the document.
fn objects(value: &'static Value, each: &mut impl FnMut(&'static serde_json::Map<String, Value>)) {
    match value {
        Value::Object(object) => {
            each(object);
            object.values().for_each(|value| objects(value, each));
        }
        Value::Array(items) => items.iter().for_each(|value| objects(value, each)),
        _ => {}
    }
}

#[test]
fn every_component_exists_and_is_used() {
    let mut used = BTreeSet::new();
    objects(&DOCUMENT, &mut |object| {
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            assert!(DOCUMENT.pointer(target.trim_start_matches('#')).is_some(), "{target} does not exist");
            used.insert(target.to_owned());
        }
    });
    for kind in ["parameters", "headers", "responses", "schemas"] {
        for name in DOCUMENT["components"][kind].as_object().unwrap().keys() {
            assert!(used.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is not used");
        }
    }
}

#[test]
fn every_operation_has_an_id_of_its_own_and_all_parameters_of_its_path() {
    let mut ids = BTreeSet::new();
    for (path, item) in DOCUMENT["paths"].as_object().unwrap() {
        let named: BTreeSet<&str> =
            path.split('/').filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}')).collect();
        for operation in item.as_object().unwrap().values().filter(|it| it["operationId"].is_string()) {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id), "{id} twice");
            assert!(operation["summary"].is_string(), "{id} says nothing");
            let none = Vec::new();
            let parameters = operation["parameters"].as_array().unwrap_or(&none);
            let of_path = parameters.iter().map(resolved).filter(|parameter| parameter["in"] == "path");
            let described: BTreeSet<&str> = of_path.map(|parameter| parameter["name"].as_str().unwrap()).collect();
            assert_eq!(described, named, "{id}");
        }
    }
    let mut linked = BTreeSet::new();
    objects(&DOCUMENT, &mut |object| linked.extend(object.get("operationId").and_then(Value::as_str)));
    assert_eq!(linked, ids, "every link leads to an operation");
}

/// What the comparison says about a changed response of `GET /instances/live`.
async fn changed(edit: impl FnOnce(&mut TestResponse)) -> Option<String> {
    let path = format!("{RPC}/instances/live");
    let mut response = get(&populated(), &path).await;
    edit(&mut response);
    fault(&Method::GET, &path, &response)
}

#[tokio::test]
async fn a_response_that_does_not_fit_is_found() {
    assert_eq!(changed(|_| ()).await, None);
    for (what, edit) in [
        ("not a documented code", (|it| it.status = http::StatusCode::IM_A_TEAPOT) as fn(&mut TestResponse)),
        ("Retry-After is missing", |it| drop(it.headers.remove("retry-after"))),
        ("Retry-After: 5 was expected", |it| drop(it.headers.insert("retry-after", "10".parse().unwrap()))),
        ("x-new is not documented", |it| drop(it.headers.insert("x-new", "1".parse().unwrap()))),
        ("not a documented content type", |it| drop(it.headers.remove("content-type"))),
        ("the body is not JSON", |it| it.body.push('}')),
        ("\"input\" is a required property", |it| it.body = it.body.replace("\"input\"", "\"history\"")),
        ("'history' was unexpected", |it| it.body = it.body.replace("{\"name\"", "{\"history\":1,\"name\"")),
        ("does not match", |it| it.body = it.body.replace(":00Z", ":00.9Z")),
    ] {
        let fault = changed(edit).await.unwrap_or_else(|| panic!("{what} is not found"));
        assert!(fault.contains(what), "{what}: {fault}");
    }
    let unknown = fault(&Method::GET, "/durabletask/nonsense", &get(&populated(), &format!("{RPC}/instances")).await);
    assert!(unknown.unwrap().contains("no such operation"));
}

#[test]
fn every_kind_of_event_has_a_schema_of_its_own() {
    let schemas = &DOCUMENT["components"]["schemas"];
    let kinds = schemas["HistoryEvent"]["discriminator"]["mapping"].as_object().unwrap();
    let listed = schemas["HistoryEvent"]["oneOf"].as_array().unwrap();
    assert_eq!(listed.len(), kinds.len());
    for (kind, target) in kinds {
        assert!(listed.contains(&json!({"$ref": target})), "{kind}");
        let schema = resolved(listed.iter().find(|it| it["$ref"] == *target).unwrap());
        assert_eq!(schema["properties"]["EventType"], json!({"const": kind}));
    }
}
