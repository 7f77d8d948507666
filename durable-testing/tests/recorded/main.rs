//! Recorded histories: files, replays against changed code, redaction, live instances.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod changes;
mod corpus;
mod deployments;
mod files;
mod redaction;
mod shapes;

use std::time::Duration;

use durable_core::prelude::*;
use durable_testing::World;
use durable_testing::recorded::{
    Deployment, PlaceKind, RecordedHistory, RecordingErrorKind, Redaction, Verdict, check_live,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Customer {
    name: String,
    mail: String,
    limit: u64,
}

#[activity]
async fn reserve(amount: u64) -> Result<String, ActivityError> {
    Ok(format!("r-{amount}"))
}

#[activity]
async fn charge(amount: u64) -> Result<u64, ActivityError> {
    if amount == 13 { Err(ActivityError::msg("no such luck for Ada Lovelace")) } else { Ok(amount) }
}

#[activity]
async fn send_mail(text: String) -> String {
    text
}

#[orchestrator]
async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ctx.call_activity(reserve, amount).await?;
    ctx.wait_for_external_event::<()>("Paid").await?;
    ctx.call_activity(charge, amount).await
}

/// The history of an `order` that has come to its end.
fn ordered() -> RecordedHistory {
    let world = World::builder().orchestrator(order).activity(reserve).activity(charge).build();
    let run = world.start_as("order-7", order, 5);
    run.raise("Paid", &());
    assert_eq!(run.output(), 5);
    world.record(&run)
}

/// The index of the event of this kind for a function of this name.
fn index(recorded: &RecordedHistory, kind: &str, name: &str) -> usize {
    let is_it = |event: &durable_core::history::HistoryEvent| {
        event.kind.name() == kind && serde_json::to_string(event).unwrap().contains(&format!("\"name\":\"{name}\""))
    };
    recorded.events().iter().position(is_it).unwrap()
}
