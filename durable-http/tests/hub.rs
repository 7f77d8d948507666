//! The service in front of a real task hub.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use durable_core::BoxFuture;
use durable_core::failure::IntoFailure;
use durable_core::hub::TaskHub;
use durable_core::model::FailureDetails;
use durable_core::orchestration::{Next, OrchestratorDefinition};
use durable_core::prelude::{Memory, OrchestrationContext};
use durable_http::testing::{TestResponse, call, request};
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
    call(service, request("POST", format!("{BASE}/{path}")).json(&body)).await
}

async fn get(service: &DurableService, path: &str) -> TestResponse {
    call(service, request("GET", format!("{BASE}/{path}"))).await
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
    let rest = call(&service, rest).await;
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
