//! What is wrong among the functions of a program, found by their annotations. A program of its own: it cannot start.

use durable_core::prelude::*;

#[activity]
async fn send(_mail: State<u8>, to: String) -> String {
    to
}

#[activity(name = "SEND")]
async fn also_send(to: String) -> String {
    to
}

#[orchestrator(name = "order", version = "1.0")]
async fn order(ctx: OrchestrationContext, to: String) -> Result<String, OrchestratorError> {
    ctx.call_activity(also_send, to).await
}

#[orchestrator(name = "order", version = "1.0")]
async fn same_version(ctx: OrchestrationContext, to: String) -> Result<String, OrchestratorError> {
    ctx.call_activity(send, to).await
}

#[tokio::test]
async fn all_are_reported_with_those_of_the_builder() {
    let error = TaskHub::builder().activity(send).discover().start().await.unwrap_err().to_string();
    for mistake in [
        "two orchestrators have the name 'order' and the version '1.0'",
        "two activities have the name 'SEND'",
        "activity 'send' needs state of type `u8`",
        "it has no backend",
    ] {
        assert!(error.contains(mistake), "`{mistake}` is missing in: {error}");
    }
}

#[tokio::test]
async fn nothing_is_found_by_who_does_not_ask() {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(order).start().await.unwrap();
    assert_eq!(hub.orchestrators().len(), 1);
    assert!(hub.activities().is_empty());
    hub.shutdown().await.unwrap();
}
