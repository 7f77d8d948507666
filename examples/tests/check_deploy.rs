//! The check before a deployment, as a program of its own: on live instances, local and over HTTP.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::process::Output;

use durable_core::prelude::*;

#[activity]
async fn check_credit(items: u32) -> bool {
    items < 100
}

#[activity]
async fn reserve(items: u32) -> u32 {
    items
}

/// What the program has as well.
#[orchestrator]
async fn order(ctx: OrchestrationContext, items: u32) -> Result<u32, OrchestratorError> {
    let _good = ctx.call_activity(check_credit, items).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(reserve, items).await
}

/// What the program does not have.
#[orchestrator]
async fn invoice(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.wait_for_external_event::<()>("Paid").await
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

async fn check(arguments: &[&str]) -> Output {
    tokio::process::Command::new(env!("CARGO_BIN_EXE_check_deploy"))
        .args(arguments)
        .kill_on_drop(true)
        .output()
        .await
        .unwrap()
}

#[tokio::test]
async fn code_that_differs_fails_the_check_and_both_lines_are_named() {
    let output = check(&[]).await;
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(text.starts_with("live instances: 2, of which fit: 0, differ: 2, have no code: 0"), "{text}");
    assert!(text.contains("instance 'order-1' of orchestrator 'order' does not replay: turn 1, event 2, #0"), "{text}");
    assert!(text.contains("recorded: activity 'reserve' with input 3 (at examples/src/bin/check_deploy.rs:"), "{text}");
    assert!(text.contains("code:     activity 'check_credit' with input 3 (at examples/src/bin/check_deploy.rs:"));
}

#[tokio::test]
async fn a_hub_in_another_process_is_checked_over_http() {
    let hub = TaskHub::builder().backend(Memory::new());
    let hub = hub.orchestrator(order).orchestrator(invoice).activity(check_credit).activity(reserve);
    let hub = hub.start().await.unwrap();
    let server = durable_http::Server::builder(hub.client()).addr("127.0.0.1:0").bind().await.unwrap();
    let url = format!("http://{}", server.local_addr());
    let story = async {
        let first = hub.client().start(order, 3).await.unwrap();
        first.wait_for_start().await.unwrap();
        let output = check(&[&url]).await;
        assert_eq!((output.status.code(), text(&output).contains("1, of which fit: 1")), (Some(0), true), "{output:?}");

        hub.client().start(invoice, ()).await.unwrap().wait_for_start().await.unwrap();
        let output = check(&[&url]).await;
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output).contains("orchestrator 'invoice' has no code"), "{output:?}");
        assert!(!first.status().await.unwrap().runtime_status.is_terminal(), "nothing was changed");
    };
    tokio::select! {
        () = server.run_until(std::future::pending()) => unreachable!("it runs for ever"),
        () = story => {}
    }
    hub.shutdown().await.unwrap();
}
