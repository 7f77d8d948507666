//! Each check of a world can be off alone: it lets its own mistake be, and the others are still found.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use durable_core::prelude::*;
use durable_core::worker::VersionMatch;
use durable_testing::World;
use durable_testing::world::WorldBuilder;

#[activity]
async fn charge(amount: u64) -> u64 {
    amount
}

#[activity]
async fn audit(amount: u64) -> u64 {
    amount
}

/// Changes while an instance waits, as a setting may.
static AUDITS: AtomicBool = AtomicBool::new(false);

#[orchestrator]
async fn by_a_setting(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    if AUDITS.load(Ordering::Relaxed) {
        ctx.call_activity(audit, 1).await?;
    } else {
        ctx.call_activity(charge, 1).await?;
    }
    ctx.wait_for_external_event::<()>("Go").await
}

fn cold_replay(world: WorldBuilder) {
    AUDITS.store(false, Ordering::Relaxed);
    let world = world.orchestrator(by_a_setting).activity(charge).activity(audit).build();
    let run = world.start(by_a_setting, ());
    AUDITS.store(true, Ordering::Relaxed);
    run.raise("Go", &());
}

static RUNS: AtomicU64 = AtomicU64::new(0);

#[orchestrator]
async fn counts_its_runs(_ctx: OrchestrationContext) -> u64 {
    RUNS.fetch_add(1, Ordering::Relaxed)
}

fn double_execution(world: WorldBuilder) {
    let _ = world.orchestrator(counts_its_runs).build().start(counts_its_runs, ());
}

#[orchestrator]
async fn of_a_version(_ctx: OrchestrationContext) {}

fn stall(world: WorldBuilder) {
    let world =
        world.orchestrator(of_a_version).hub(|hub| hub.version("2").version_match(VersionMatch::Strict)).build();
    let _ = world.started(world.client().start(of_a_version, ()).version("9"));
}

#[orchestrator]
async fn awaits_something_else(_ctx: OrchestrationContext) {
    std::future::pending::<()>().await;
}

fn foreign_await(world: WorldBuilder) {
    let _ = world.orchestrator(awaits_something_else).build().start(awaits_something_else, ());
}

#[orchestrator]
async fn forgets(ctx: OrchestrationContext) {
    drop(ctx.call_activity(charge, 1));
}

fn leak(world: WorldBuilder) {
    let _ = world.orchestrator(forgets).activity(charge).build().start(forgets, ());
}

/// Loses its cents.
#[derive(serde::Serialize, serde::Deserialize)]
struct Price {
    euros: u64,
    #[serde(skip_deserializing)]
    cents: u64,
}

#[orchestrator]
async fn buys(_ctx: OrchestrationContext, price: Price) -> u64 {
    price.euros + price.cents
}

fn round_trip(world: WorldBuilder) {
    let _ = world.orchestrator(buys).build().start(buys, Price { euros: 3, cents: 50 });
}

#[orchestrator]
async fn has_a_fallback(ctx: OrchestrationContext) -> bool {
    ctx.call_sub_orchestrator(counts_its_runs, ()).await.is_ok()
}

fn missing_child(world: WorldBuilder) {
    let _ = world.orchestrator(has_a_fallback).build().start(has_a_fallback, ());
}

/// A mistake, and the check that finds it.
#[derive(Clone, Copy)]
struct Check {
    story: fn(WorldBuilder),
    switch: fn(WorldBuilder) -> WorldBuilder,
    says: &'static str,
}

impl Check {
    const fn new(story: fn(WorldBuilder), switch: fn(WorldBuilder) -> WorldBuilder, says: &'static str) -> Self {
        Self { story, switch, says }
    }
}

#[test]
fn each_check_can_be_off_alone() {
    let checks = [
        Check::new(cold_replay, WorldBuilder::without_cold_replay_checks, "cannot be replayed"),
        Check::new(double_execution, WorldBuilder::without_double_execution_checks, "is not deterministic"),
        Check::new(stall, WorldBuilder::without_stall_checks, "is stalled"),
        Check::new(foreign_await, WorldBuilder::without_foreign_await_checks, "awaits something"),
        Check::new(leak, WorldBuilder::without_leak_checks, "forgot to await"),
        Check::new(round_trip, WorldBuilder::without_round_trip_checks, "does not survive JSON"),
        Check::new(missing_child, WorldBuilder::without_missing_child_checks, "the world does not know it"),
    ];
    for Check { story, says, .. } in checks {
        for Check { switch, says: off, .. } in checks {
            let told = catch_unwind(AssertUnwindSafe(|| story(switch(World::builder()))));
            let text = told.err().map(|text| *text.downcast::<String>().unwrap());
            let is_told = text.as_ref().is_some_and(|text| text.contains(says));
            assert_eq!(is_told, says != off, "of '{says}', without the check for '{off}', it is told: {text:?}");
            assert_eq!(text.is_some(), is_told, "{text:?}");
        }
    }
}

#[test]
fn one_switch_for_both_runs_of_turns_and_one_for_both_ends_by_code() {
    stall(World::builder().allows_stalls());
    foreign_await(World::builder().allows_stalls());
    double_execution(World::builder().without_replay_checks());
}
