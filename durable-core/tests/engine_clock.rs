//! Rule 5: an instance's time only grows, whatever the clock does.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::engine::Clock;
use durable_core::history::EventKind;
use durable_core::model::Timestamp;
use durable_core::prelude::*;
use durable_testing::world::{WorldBuilder, on_every_store};

#[activity]
async fn step(n: u64) -> u64 {
    n
}

#[orchestrator]
async fn stamps(ctx: OrchestrationContext) -> Result<Vec<(String, String)>, OrchestratorError> {
    let mut stamps = Vec::new();
    for n in 0..10 {
        stamps.push((ctx.now().to_string(), ctx.new_guid().to_string()));
        ctx.call_activity(step, n).await?;
    }
    Ok(stamps)
}

/// A clock that goes back by an hour each time somebody looks at it.
#[derive(Clone, Default)]
struct Backwards(Arc<AtomicI64>);

impl Clock for Backwards {
    fn now(&self) -> Timestamp {
        let looks = self.0.fetch_add(1, Ordering::Relaxed);
        Timestamp::from_ticks(17_040_672_000_000_000 - looks * 36_000_000_000)
    }

    fn sleep_until(&self, _deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

fn strictly_grows(world: WorldBuilder) {
    let world = world.orchestrator(stamps).activity(step).build();
    let mut guids = HashSet::new();
    for _ in 0..2 {
        let run = world.start_as("same", stamps, ());
        let stamps = run.output();
        assert!(
            stamps.is_sorted_by(|(a, _), (b, _)| a.parse::<Timestamp>().unwrap() < b.parse().unwrap()),
            "{stamps:?}"
        );
        guids.extend(stamps.into_iter().map(|(_, guid)| guid));
        let history = run.history();
        let starts = history.iter().filter(|event| event.kind == EventKind::OrchestratorStarted);
        let times: Vec<_> = starts.map(|event| event.timestamp).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }
    assert!(guids.len() >= 10, "GUIDs repeat within a run");
}

/// Trap 7: with a frozen clock each turn is one tick later than the one before.
#[test]
fn turn_times_grow_with_a_frozen_clock() {
    on_every_store(strictly_grows);
}

#[test]
fn turn_times_grow_with_a_clock_that_goes_back() {
    on_every_store(|world| strictly_grows(world.hub(|hub| hub.clock(Backwards::default()))));
}

#[orchestrator]
async fn sleeps(ctx: OrchestrationContext, seconds: u64) -> Result<String, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(seconds)).await;
    Ok(ctx.now().to_string())
}

/// Timers fire when they are due and not before, in the order of their due times, also after a restart.
#[test]
fn timers_fire_when_they_are_due() {
    on_every_store(|world| {
        let world = world.orchestrator(sleeps).build();
        let begin = world.now();
        let runs = [30, 10, 20].map(|seconds| (seconds, world.start(sleeps, seconds)));
        world.restart();
        world.advance(Duration::from_millis(19_999));
        assert_eq!(runs.each_ref().map(|(_, run)| run.is_finished()), [false, true, false]);
        for (seconds, run) in &runs {
            let due = begin.saturating_add(Duration::from_secs(*seconds));
            let late = run.output().parse::<Timestamp>().unwrap().saturating_since(due);
            assert!(late < Duration::from_millis(1), "{late:?} after {seconds} s");
        }
        assert_eq!(world.elapsed(), Duration::from_secs(30));
    });
}

/// A timer of any length is one timer.
#[test]
fn a_timer_may_be_longer_than_a_calendar() {
    #[orchestrator]
    async fn forever(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.create_timer(Duration::MAX).await;
        Ok(())
    }
    on_every_store(|world| {
        let world = world.orchestrator(forever).build();
        let run = world.start(forever, ());
        let history = run.history();
        assert!(history.iter().any(|e| matches!(e.kind, EventKind::TimerCreated { fire_at: Timestamp::MAX, .. })));
        world.advance(Duration::from_secs(100 * 365 * 24 * 3600));
        assert!(!run.is_finished());
    });
}
