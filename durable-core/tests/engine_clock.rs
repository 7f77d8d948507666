//! Rule 5: an instance's time only grows, whatever the clock does.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::engine::Clock;
use durable_core::history::EventKind;
use durable_core::model::Timestamp;
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use support::history;

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

async fn strictly_grows(clock: impl Clock) {
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(stamps).activity(step).clock(clock);
    let hub = hub.start().await.unwrap();
    let mut guids = HashSet::new();
    for _ in 0..2 {
        let run = hub.client().start(stamps, ()).id("same").await.unwrap();
        let stamps = run.output().await.unwrap();
        assert!(
            stamps.is_sorted_by(|(a, _), (b, _)| a.parse::<Timestamp>().unwrap() < b.parse().unwrap()),
            "{stamps:?}"
        );
        guids.extend(stamps.into_iter().map(|(_, guid)| guid));
        let starts =
            history(&hub, run.id()).await.into_iter().filter(|event| event.kind == EventKind::OrchestratorStarted);
        let times: Vec<_> = starts.map(|event| event.timestamp).collect();
        assert!(times.is_sorted_by(|a, b| a < b), "{times:?}");
    }
    assert!(guids.len() >= 10, "GUIDs repeat within a run");
}

/// Trap 7: with a frozen clock each turn is one tick later than the one before.
#[tokio::test]
async fn turn_times_grow_with_a_frozen_clock() {
    strictly_grows(VirtualClock::new()).await;
}

#[tokio::test]
async fn turn_times_grow_with_a_clock_that_goes_back() {
    strictly_grows(Backwards::default()).await;
}

#[orchestrator]
async fn sleeps(ctx: OrchestrationContext, seconds: u64) -> Result<String, OrchestratorError> {
    ctx.create_timer(Duration::from_secs(seconds)).await;
    Ok(ctx.now().to_string())
}

/// Timers fire when they are due and not before, in the order of their due times, also after a restart.
#[tokio::test]
async fn timers_fire_when_they_are_due() {
    let (store, clock) = (Memory::new(), VirtualClock::new());
    let hub = || TaskHub::builder().backend(store.clone()).orchestrator(sleeps).clock(clock.clone()).start();
    let first = hub().await.unwrap();
    for seconds in [30, 10, 20] {
        let run = first.client().start(sleeps, seconds).id(format!("s-{seconds}")).await.unwrap();
        while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
            tokio::task::yield_now().await;
        }
    }
    first.shutdown().await.unwrap();

    let second = hub().await.unwrap();
    let run = |seconds: u64| second.client().instance::<String, _>(format!("s-{seconds}")).unwrap();
    clock.advance(Duration::from_secs(15));
    run(10).output().await.unwrap();
    assert_eq!(run(20).status().await.unwrap().runtime_status, RuntimeStatus::Running);
    clock.advance(Duration::from_secs(365 * 24 * 3600));
    join_all([run(20).output(), run(30).output()]).await.into_iter().for_each(|output| drop(output.unwrap()));
}

/// A timer of any length is one timer.
#[tokio::test]
async fn a_timer_may_be_longer_than_a_calendar() {
    #[orchestrator]
    async fn forever(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
        ctx.create_timer(Duration::MAX).await;
        Ok(())
    }
    let hub = TaskHub::builder().backend(Memory::new()).orchestrator(forever).start().await.unwrap();
    let run = hub.client().start(forever, ()).await.unwrap();
    while run.status().await.unwrap().runtime_status == RuntimeStatus::Pending {
        tokio::task::yield_now().await;
    }
    let history = history(&hub, run.id()).await;
    assert!(history.iter().any(|e| matches!(e.kind, EventKind::TimerCreated { fire_at: Timestamp::MAX, .. })));
}
