//! Every accepted form of an orchestrator, under strict lints.
#![deny(missing_docs, missing_debug_implementations, unreachable_pub, unused, warnings, clippy::pedantic)]
#![forbid(unsafe_code)]

use durable_core::orchestration::{OrchestratorDefinition, OrchestratorFn};
use durable_core::prelude::*;
use durable_macros::{activity, orchestrator};

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    Ok(amount)
}

/// Its own name means itself, also inside.
#[orchestrator(name = "Countdown")]
pub async fn countdown(ctx: OrchestrationContext, from: u64) -> Result<u64, OrchestratorError> {
    if from == 0 {
        return Ok(0);
    }
    is(&countdown, from - 1);
    let _ = ctx.now();
    Ok(from)
}

#[orchestrator]
async fn pay(ctx: OrchestrationContext, (mut amount, times): (u64, u32)) -> Result<u64, OrchestratorError> {
    amount *= u64::from(times);
    let charge = ctx.call_activity(charge, amount);
    charge.await
}

#[orchestrator]
pub(crate) async fn no_input(_ctx: durable_core::orchestration::OrchestrationContext) {}

#[orchestrator]
async fn r#loop(_ctx: OrchestrationContext) -> u8 {
    1
}

fn is<M, F: OrchestratorFn<M>>(_: &F, input: F::Input) {
    drop(input);
}

fn main() {
    is(&countdown, 1);
    is(&pay, (1, 2));
    is(&no_input, ());
    is(&r#loop, ());
    assert_eq!(<countdown as OrchestratorDefinition>::NAME, "Countdown");
    assert_eq!(<r#loop as OrchestratorDefinition>::NAME, "loop");
}

