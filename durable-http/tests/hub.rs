//! The service in front of a real task hub.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use durable_core::BoxFuture;
use durable_core::failure::IntoFailure;
use durable_core::hub::TaskHub;
use durable_core::model::FailureDetails;
use durable_core::orchestration::{Next, OrchestratorDefinition};
use durable_core::prelude::{Memory, OrchestrationContext};
use durable_http::testing::{TestResponse, request};
use durable_http::{AsClient, DurableService};
use serde_json::{Value, json};

const BASE: &str = "/runtime/webhooks/durabletask";

/// An orchestrator as the macro leaves it behind: it waits for an approval, or fails when there is nothing to approve.
struct ApproveRun;

impl OrchestratorDefinition for ApproveRun {
    const NAME: &'static str = "Approve";
    type Input = Option<String>;
    type Output = String;

    fn invoke(
        ctx: OrchestrationContext,
        order: Option<String>,
    ) -> BoxFuture<'static, Result<Next<String, Option<String>>, FailureDetails>> {
        Box::pin(async move {
            let order = order.ok_or_else(|| FailureDetails::new("Error", "there is no order"))?;
            let who: String = ctx.wait_for_external_event("Approval").await.map_err(IntoFailure::into_failure)?;
            Ok(Next::Complete(format!("{order} approved by {who}")))
        })
    }
}

fn approve(_ctx: OrchestrationContext, _order: Option<String>) -> ApproveRun {
    ApproveRun
}

async fn hub() -> (TaskHub, DurableService) {
    let hub = TaskHub::builder().name("Orders").backend(Memory::new()).orchestrator(approve).start().await.unwrap();
    let service = DurableService::new(hub.client());
    (hub, service)
}

async fn post(service: &DurableService, path: &str, body: Value) -> TestResponse {
    support::send_to(service, request("POST", format!("{BASE}/{path}")).json(&body)).await
}

async fn get(service: &DurableService, path: &str) -> TestResponse {
    support::send_to(service, request("GET", format!("{BASE}/{path}"))).await
}

#[tokio::test]
async fn an_instance_lives_its_whole_life_over_http() {
    let (hub, service) = hub().await;
    let started = post(&service, "orchestrators/approve/order%207", json!("Order 7")).await;
    assert_eq!(started.status, 202, "{}", started.body);
    assert!(started.header("location").unwrap().ends_with("/instances/order%207?taskHub=Orders&connection=Storage"));
    assert_eq!(post(&service, "orchestrators/approve/order%207", json!("again")).await.status, 409);

    assert_eq!(post(&service, "instances/order%207/raiseEvent/approval", json!("Ada")).await.status, 202);
    let id = "order 7".try_into().unwrap();
    hub.client().wait(&id, None).await.unwrap();
    let finished = get(&service, "instances/order%207?showHistory=true&showHistoryOutput=true").await;
    assert_eq!(finished.status, 200);
    let status: Value = finished.json();
    assert_eq!(status["output"], "Order 7 approved by Ada");
    let kinds: Vec<&Value> =
        status["historyEvents"].as_array().unwrap().iter().map(|event| &event["EventType"]).collect();
    assert_eq!(kinds, ["ExecutionStarted", "EventRaised", "ExecutionCompleted"]);

    assert_eq!(post(&service, "instances/order%207/raiseEvent/approval", json!("Bob")).await.status, 410);
    let listed: Value = get(&service, "instances?runtimeStatus=Completed&instanceIdPrefix=order").await.json();
    assert_eq!(listed[0]["instanceId"], "order 7");
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn failed_terminated_and_unknown_instances_are_told_apart() {
    let (hub, service) = hub().await;
    let failed = post(&service, "orchestrators/Approve/f?timeout=60", Value::Null).await;
    let status: Value = failed.json();
    assert_eq!((failed.status.as_u16(), &status["runtimeStatus"]), (200, &json!("Failed")), "{}", failed.body);
    assert_eq!(status["output"], "Orchestrator function 'Approve' failed: there is no order");

    assert_eq!(post(&service, "orchestrators/Approve/t", json!("Order 8")).await.status, 202);
    assert_eq!(post(&service, "instances/t/terminate?reason=too+late", json!(null)).await.status, 202);
    hub.client().wait(&"t".try_into().unwrap(), None).await.unwrap();
    let status: Value = get(&service, "instances/t").await.json();
    assert_eq!((&status["runtimeStatus"], &status["output"]), (&json!("Terminated"), &json!("too late")));

    assert_eq!(get(&service, "instances/nope").await.status, 404);
    let unknown = post(&service, "orchestrators/Nope", json!(1)).await;
    assert!(unknown.body.contains("The following are the known orchestrator functions: 'Approve'"), "{}", unknown.body);
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn pages_follow_one_another() {
    let (hub, service) = hub().await;
    for id in ["a", "b", "c"] {
        post(&service, &format!("orchestrators/Approve/{id}"), json!("Order")).await;
    }
    let first = get(&service, "instances?top=2").await;
    let token = first.header("x-ms-continuation-token").unwrap();
    assert_eq!(first.json::<Vec<Value>>().len(), 2);
    let rest = request("GET", format!("{BASE}/instances?top=2")).header("x-ms-continuation-token", token);
    let rest = support::send_to(&service, rest).await;
    assert_eq!(rest.json::<Value>()[0]["instanceId"], "c");
    assert_eq!(rest.header("x-ms-continuation-token"), Some(""));
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_drained_hub_answers_with_503() {
    let (hub, service) = hub().await;
    hub.drain().await.unwrap();
    let response = post(&service, "orchestrators/Approve/late", json!("Order")).await;
    assert_eq!(response.status, 503, "{}", response.body);
}

/// Waits until the instance has this status over HTTP.
async fn until(service: &DurableService, path: &str, expected: &str) {
    let mut last = Value::Null;
    let reached = async {
        while last["runtimeStatus"] != expected {
            tokio::task::yield_now().await;
            last = get(service, path).await.json();
        }
    };
    let reached = tokio::time::timeout(std::time::Duration::from_secs(20), reached).await;
    reached.unwrap_or_else(|_late| panic!("it never became {expected}: {last}"));
}

async fn delete(service: &DurableService, path: &str) -> TestResponse {
    support::send_to(service, request("DELETE", format!("{BASE}/{path}"))).await
}

#[tokio::test]
async fn a_paused_instance_keeps_its_event_until_it_goes_on() {
    let (hub, service) = hub().await;
    post(&service, "orchestrators/Approve/p", json!("Order 9")).await;
    until(&service, "instances/p", "Running").await;
    assert_eq!(post(&service, "instances/p/suspend?reason=lunch", json!(null)).await.status, 202);
    until(&service, "instances/p", "Suspended").await;
    assert_eq!(post(&service, "instances/p/suspend", json!(null)).await.status, 500);
    assert_eq!(post(&service, "instances/p/raiseEvent/Approval", json!("Ada")).await.status, 202);
    assert_eq!(delete(&service, "instances/p").await.status, 412);

    assert_eq!(post(&service, "instances/p/resume?reason=back", json!(null)).await.status, 202);
    hub.client().wait(&"p".try_into().unwrap(), None).await.unwrap();
    let status: Value = get(&service, "instances/p?showHistory=true").await.json();
    assert_eq!(status["output"], "Order 9 approved by Ada");
    let reasons: Vec<_> = status["historyEvents"].as_array().unwrap().iter().map(|event| &event["Reason"]).collect();
    assert!(reasons.contains(&&json!("lunch")) && reasons.contains(&&json!("back")), "{status}");
    assert_eq!(post(&service, "instances/p/suspend", json!(null)).await.status, 410);
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn instances_are_restarted_and_purged() {
    let (hub, service) = hub().await;
    for id in ["f", "g"] {
        post(&service, &format!("orchestrators/Approve/{id}?timeout=60"), Value::Null).await;
    }
    let again = post(&service, "instances/f/restart?restartWithNewInstanceId=false&timeout=60", Value::Null).await;
    assert_eq!(again.json::<Value>()["runtimeStatus"], "Failed", "{}", again.body);
    let copy: Value = post(&service, "instances/f/restart", Value::Null).await.json();
    let copy = copy["id"].as_str().unwrap().to_owned();
    assert_ne!(copy, "f");
    until(&service, &format!("instances/{copy}"), "Failed").await;
    post(&service, "orchestrators/Approve/live", json!("Order")).await;
    let live = post(&service, "instances/live/restart?restartWithNewInstanceId=false", Value::Null).await;
    assert_eq!(live.status, 409, "{}", live.body);

    assert_eq!(delete(&service, "instances/g").await.body, "{\"instancesDeleted\":1}");
    assert_eq!(get(&service, "instances/g").await.status, 404);
    assert_eq!(delete(&service, "instances?createdTimeFrom=2000-01-01&runtimeStatus=Running").await.status, 404);
    let many = delete(&service, "instances?createdTimeFrom=2000-01-01").await;
    assert_eq!(many.body, "{\"instancesDeleted\":2}");
    let left: Value = get(&service, "instances").await.json();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["instanceId"]), (1, &json!("live")));
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_trace_of_a_start_is_stored() {
    let (hub, service) = hub().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let start = request("POST", format!("{BASE}/orchestrators/Approve/t")).header("traceparent", parent);
    assert_eq!(support::send_to(&service, start).await.status, 202);
    let status = hub.client().status(&"t".try_into().unwrap()).await.unwrap().unwrap();
    assert_eq!(status.trace.unwrap().trace_id(), 0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736);
    hub.shutdown().await.unwrap();
}
