//! Functions that are registered by their annotation alone.

use durable_core::model::FunctionName;
use durable_core::prelude::*;

#[activity]
async fn double(n: u64) -> u64 {
    n * 2
}

mod inner {
    use durable_core::prelude::*;

    #[activity(name = "one more")]
    pub(crate) fn one_more(n: u64) -> u64 {
        n + 1
    }

    #[orchestrator(name = "steps", version = "1.0")]
    pub(crate) async fn steps_1(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
        ctx.call_activity(one_more, n).await
    }
}

#[orchestrator(name = "steps", version = "2.0")]
async fn steps_2(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(double, n).await
}

#[orchestrator]
async fn chain(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let doubled = ctx.call_activity(double, n).await?;
    ctx.call_activity(inner::one_more, doubled).await
}

#[cfg(any())]
#[activity]
async fn left_out(_n: NoSuchType) -> u64 {
    0
}

fn names(names: &[FunctionName]) -> Vec<&str> {
    names.iter().map(FunctionName::as_str).collect()
}

#[tokio::test]
async fn every_annotated_function_is_found_once() {
    #[activity]
    async fn inside_a_function() {}

    #[cfg(any())]
    #[activity]
    async fn left_out_inside(_n: NoSuchType) -> u64 {
        0
    }

    // By hand before and after, and asked for twice: each function still counts once.
    let hub = TaskHub::builder()
        .backend(Memory::new())
        .activity(double)
        .discover()
        .discover()
        .orchestrator(chain)
        .orchestrator(steps_2)
        .start()
        .await
        .unwrap();
    assert_eq!(names(hub.orchestrators()), ["chain", "steps"]);
    assert_eq!(names(hub.activities()), ["double", "inside_a_function", "one more"]);
    let run = hub.client().start(chain, 20).await.unwrap();
    assert_eq!(run.output().await.unwrap(), 41);
    hub.shutdown().await.unwrap();
}

#[tokio::test]
async fn by_hand_twice_is_still_a_mistake() {
    let error = TaskHub::builder().backend(Memory::new()).discover().activity(double).activity(double).start().await;
    assert!(error.unwrap_err().to_string().contains("two activities have the name 'double'"));
}
