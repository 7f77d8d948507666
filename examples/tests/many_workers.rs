//! Several processes on one database are one task hub: it does not matter which one gets a request, and the others go on with
//! what one of them leaves behind when it is killed.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../../durable-core/tests/support/postgres.rs"]
mod postgres;
#[expect(dead_code, reason = "this test needs a part of it")]
mod support;

use durable_core::prelude::join_all;
use http::Method;
use postgres::Schema;
use support::{Demo, Http};

const COUNT: usize = 30;

fn start(schema: &Schema) -> Demo {
    let args = ["--backend", postgres::url(), "--schema", &schema.name];
    Demo::start_with(&args.map(str::as_ref))
}

async fn send(http: &Http, demo: &Demo, method: Method, path: &str, body: &str) -> (u16, String) {
    http.send(method, &format!("{}/{path}", demo.base), body).await.expect("the demo answers")
}

/// Starts instances that wait for an event.
async fn start_approvals(http: &Http, demo: &Demo, prefix: &str) {
    let starts = (0..COUNT).map(|n| async move {
        let path = format!("orchestrators/approval/{prefix}-{n}");
        let (status, body) = send(http, demo, Method::POST, &path, r#"{"timeoutSeconds": 3600}"#).await;
        assert_eq!(status, 202, "{body}");
    });
    join_all(starts).await;
}

async fn approve(http: &Http, demo: &Demo, prefix: &str) {
    let events = (0..COUNT).map(|n| async move {
        let path = format!("instances/{prefix}-{n}/raiseEvent/Approval");
        let (status, body) = send(http, demo, Method::POST, &path, r#"{"approved": true, "by": "Ada"}"#).await;
        assert_eq!(status, 202, "{body}");
    });
    join_all(events).await;
}

async fn wait(http: &Http, demo: &Demo, prefix: &str) {
    let waits = (0..COUNT).map(|n| async move {
        let (status, body) = send(http, demo, Method::GET, &format!("instances/{prefix}-{n}?timeout=60"), "").await;
        assert_eq!(status, 200, "{body}");
        assert!(body.contains(r#""runtimeStatus":"Completed""#) && body.contains("Ada"), "{body}");
    });
    join_all(waits).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_process_serves_any_instance_and_takes_over_from_the_dead() {
    let (schema, http) = (Schema::new(), Http::new());
    let [first, second, third] = [start(&schema), start(&schema), start(&schema)];

    start_approvals(&http, &first, "alive").await;
    tokio::join!(wait(&http, &third, "alive"), approve(&http, &second, "alive"));

    start_approvals(&http, &first, "orphan").await;
    first.kill();
    tokio::join!(wait(&http, &third, "orphan"), approve(&http, &second, "orphan"));

    // A wide fan-out ends well with as many as there are.
    let fan_out = send(&http, &second, Method::POST, "orchestrators/fan_out?timeout=60", "2000").await;
    assert_eq!(fan_out.0, 200, "{}", fan_out.1);
}
