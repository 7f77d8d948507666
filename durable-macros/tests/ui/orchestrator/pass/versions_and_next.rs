//! Versions side by side, and every accepted form of starting over, under strict lints.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, warnings, clippy::pedantic)]
#![forbid(unsafe_code)]

use durable_core::orchestration::OrchestratorDefinition;
use durable_core::prelude::*;

type Step = Next<String, u32>;

#[orchestrator(name = "order", version = "1.0")]
async fn order_1(_ctx: OrchestrationContext, left: u32) -> Result<Next<String, u32>, OrchestratorError> {
    Ok(Next::continue_as_new(left))
}

#[orchestrator(name = "order", version = "2.0")]
async fn order_2(_ctx: OrchestrationContext, left: u32) -> Result<Step, OrchestratorError> {
    Ok(ContinueAsNew::new(left).version("3.0")?.into())
}

#[orchestrator(name = "order")]
async fn order(_ctx: OrchestrationContext) -> durable_core::orchestration::Next<String, ()> {
    Next::continue_as_new(())
}

fn main() {
    #[orchestrator]
    async fn inside(_ctx: OrchestrationContext, left: u32) -> Step {
        Next::continue_as_new(left)
    }

    fn output_is_text<D: OrchestratorDefinition<Output = String>>() {}
    output_is_text::<order_1>();
    output_is_text::<order_2>();
    output_is_text::<order>();
    output_is_text::<inside>();
    assert_eq!(order_1::VERSION, Some("1.0"));
    assert_eq!(order_2::VERSION, Some("2.0"));
    assert_eq!(order::VERSION, None);
}
