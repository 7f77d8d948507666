//! The classic demos over HTTP, without a socket, except for the stand-in of the public data.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::{Duration, SystemTime};

use durable_core::prelude::*;
use durable_http::testing::{TestResponse, call, request};
use durable_http::{DurableService, Starters};
use examples::classics::{self, FunctionNames, Lookup, StandIn};
use serde_json::{Value, json};

struct Demos {
    hub: TaskHub,
    service: DurableService,
    _stand_in: StandIn,
}

impl Demos {
    async fn start() -> Self {
        let stand_in = StandIn::start().await.unwrap();
        let hub = TaskHub::builder().name("DurableDemo").backend(Memory::new());
        let hub = classics::functions(hub, Lookup::new(&stand_in.base())).start().await.unwrap();
        let starters = classics::starters(Starters::new(), FunctionNames::of(&hub));
        let service = DurableService::new(hub.client()).starters(starters).unwrap();
        Self { hub, service, _stand_in: stand_in }
    }

    async fn post(&self, path: &str, body: Value) -> TestResponse {
        call(&self.service, request("POST", format!("/api/{path}")).json(&body)).await
    }

    async fn get(&self, path: &str) -> TestResponse {
        call(&self.service, request("GET", format!("/api/{path}"))).await
    }

    /// What an orchestrator gives when it is started and waited for.
    async fn output(&self, orchestrator: &str, input: Value) -> Value {
        let response = self.post(&format!("startandwait/{orchestrator}/20"), input).await;
        assert_eq!(response.status, 200, "{}", response.body);
        response.json()
    }

    /// Waits for the end of an instance.
    async fn wait(&self, id: &str) -> Value {
        self.hub.client().instance::<Value, _>(id).unwrap().output().await.unwrap()
    }
}

#[tokio::test]
async fn greetings_characters_and_large_messages() {
    let demos = Demos::start().await;
    assert_eq!(demos.output("HelloWorld", Value::Null).await, "Hello Orchestration!");
    assert_eq!(demos.output("HelloName", json!("Ada")).await, "Hello Ada from an Activity function.");
    let luke =
        json!({ "name": "Luke Skywalker", "homeWorld": "Tatooine", "species": "Human", "firstFilm": "A New Hope" });
    assert_eq!(demos.output("GetCharacterInfo", json!("luke")).await, luke);
    assert_eq!(demos.output("GetCharacterInfo", json!("nobody")).await, Value::Null);
    let residents = json!({ "planetName": "Tatooine", "residents": ["Luke Skywalker", "C-3PO", "Owen Lars"] });
    assert_eq!(demos.output("GetPlanetResidents", json!("Tatooine")).await, residents);
    let nobody = json!({ "planetName": null, "residents": [] });
    assert_eq!(demos.output("GetPlanetResidents", json!("Nowhere")).await, nobody);
    assert_eq!(demos.output("LargeMessage", json!(1_000_000)).await, "X".repeat(1_000_000));
}

#[tokio::test]
async fn a_start_answers_with_links_and_takes_an_id() {
    let demos = Demos::start().await;
    let response = demos.post("start/HelloName/mine", json!("Ada")).await;
    assert_eq!((response.status.as_u16(), response.header("retry-after")), (202, Some("10")));
    let links: Value = response.json();
    assert_eq!(links["id"], "mine");
    let status =
        "http://localhost:7071/runtime/webhooks/durabletask/instances/mine?taskHub=DurableDemo&connection=Storage";
    assert_eq!(links["statusQueryGetUri"], status);
    assert_eq!(response.header("location"), Some(status));
    let generated: Value = demos.post("START/HelloWorld/", Value::Null).await.json();
    assert_eq!(generated["id"].as_str().unwrap().len(), 32);
    assert_eq!(demos.post("start/NoSuch", Value::Null).await.status, 400);
    assert_eq!(demos.get("start/HelloName").await.status, 405);
}

#[tokio::test]
async fn what_takes_longer_than_the_timeout_answers_with_links() {
    let demos = Demos::start().await;
    for path in ["startandwait/SingleApproval/0.1/0.1", "startandwait/SingleApproval?timeout=0.1&interval=0.1"] {
        let response = demos.post(path, Value::Null).await;
        assert_eq!(response.status, 202, "{}", response.body);
        assert!(response.body.contains("statusQueryGetUri"));
    }
    let short = demos.post("startandwait/HelloWorld?timeout=0.5", Value::Null).await;
    assert_eq!(short.status, 400, "the interval of one second is longer");
    assert!(short.body.contains("Total timeout 0.5 should be bigger than retry timeout 1"), "{}", short.body);
    let wrong = demos.post("startandwait/HelloWorld/soon", Value::Null).await;
    assert_eq!(wrong.status, 400);
    assert!(wrong.body.contains("'soon'") && wrong.body.contains("'timeout'"), "{}", wrong.body);
    assert_eq!(demos.post("startandwait/HelloWorld?interval=2", Value::Null).await.body, r#""Hello Orchestration!""#);
}

#[tokio::test]
async fn approvals_come_as_events() {
    let demos = Demos::start().await;
    demos.post("start/SingleApproval/one", Value::Null).await;
    let approval = json!({ "name": "Ada", "isApproved": true });
    assert_eq!(demos.post("approval/ApproveEvent/one", approval.clone()).await.status, 202);
    assert_eq!(demos.wait("one").await["IsApproved"], true);
    assert_eq!(demos.post("approval/ApproveEvent/one", approval.clone()).await.status, 410);
    assert_eq!(demos.post("approval/ApproveEvent/nobody", approval.clone()).await.status, 404);

    demos.post("start/MultipleApproval/two", Value::Null).await;
    for event in ["ApproveEvent1", "ApproveEvent2"] {
        assert_eq!(demos.post(&format!("approval/{event}/two"), approval.clone()).await.status, 202);
    }
    assert_eq!(demos.wait("two").await, true);
}

#[tokio::test]
async fn one_status_and_many() {
    let demos = Demos::start().await;
    demos.post("start/HelloName/one", json!("Ada")).await;
    demos.wait("one").await;
    let status: Value = demos.get("status/one").await.json();
    assert_eq!((&status["runtimeStatus"], &status["input"]), (&json!(1), &json!("Ada")));
    assert_eq!(status["history"], Value::Null);
    let status: Value = demos.get("status/one?showHistory=true").await.json();
    assert_eq!(status["input"], Value::Null, "with a parameter, only what is asked for");
    assert_eq!(status["history"][0]["EventType"], "OrchestratorStarted");
    assert_eq!(demos.get("status/nobody").await.status, 204);

    demos.post("start/NeverEnding/two", Value::Null).await;
    let ids = async |body: Value| -> Vec<String> {
        let found: Vec<Value> = demos.post("status", body).await.json();
        found.iter().map(|status| status["instanceId"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(Value::Null).await, ["one", "two"]);
    assert_eq!(ids(json!({ "statussesToMatch": [1] })).await, ["one", "two"], "no time, no filter");
    assert_eq!(ids(json!({ "createdFrom": "2024-01-01T00:00:00Z", "statussesToMatch": [1] })).await, ["one"]);
    assert_eq!(ids(json!({ "createdFrom": "2100-01-01T00:00:00Z", "statussesToMatch": [1] })).await, [""; 0]);
}

#[tokio::test]
async fn instances_are_terminated_and_purged() {
    let demos = Demos::start().await;
    demos.post("start/NeverEnding/one", Value::Null).await;
    assert_eq!(demos.post("terminate/one", json!("enough")).await.status, 202);
    let id = InstanceId::new("one").unwrap();
    let ended = demos.hub.client().wait(&id, None).await.unwrap().unwrap();
    assert_eq!(ended.termination_reason.as_deref(), Some("enough"));
    let purge = async || call(&demos.service, request("DELETE", "/api/purge/one")).await.status.as_u16();
    assert_eq!((purge().await, purge().await), (202, 202), "it is gone, and stays so");
    assert_eq!(demos.get("status/one").await.status, 204);

    demos.post("start/HelloWorld/old", Value::Null).await;
    demos.wait("old").await;
    let client = demos.hub.client();
    assert_eq!(classics::purge_history_for_many(&client, SystemTime::now()).await.unwrap(), 0, "too young");
    let in_ten_days = SystemTime::now() + Duration::from_secs(10 * 24 * 3_600);
    assert_eq!(classics::purge_history_for_many(&client, in_ten_days).await.unwrap(), 1);
}

#[tokio::test]
async fn the_other_demos() {
    let demos = Demos::start().await;
    let functions: Value = demos.get("getfunctionmethods").await.json();
    assert!(functions["Orchestrators"].as_array().unwrap().contains(&json!("HelloWorld")), "{functions}");

    let second: Value = demos.post("multiple", Value::Null).await.json();
    assert_eq!(demos.wait(second["id"].as_str().unwrap()).await, "Hello second from an Activity function.");

    demos.post("start/SingleApproval/one", Value::Null).await;
    let event = json!({ "eventName": "Other", "isApproved": true });
    assert_eq!(demos.post("sendevent/one/", event).await.status, 202);
    assert_eq!(demos.post("sendevent/one", json!({ "eventName": "Other" })).await.status, 400);
}
