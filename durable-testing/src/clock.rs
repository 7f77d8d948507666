//! A clock that moves only when it is told to.

use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::engine::Clock;
use durable_core::model::Timestamp;
use tokio::sync::watch;

/// A virtual clock for a hub under test. It never moves by itself; clones share it.
///
/// The hub works on other tasks than the test, so a turn takes the time at which it happens to start: a single step of the
/// clock right after a start may come before the timer is set. Advance in a loop, as here, or wait for a sign of the timer.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::VirtualClock;
/// use std::time::Duration;
///
/// #[orchestrator]
/// async fn nap(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
///     ctx.create_timer(Duration::from_secs(365 * 24 * 3600)).await;
///     Ok(())
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let clock = VirtualClock::new();
/// let hub = TaskHub::builder().backend(Memory::new()).orchestrator(nap).clock(clock.clone()).start().await?;
/// let run = hub.client().start(nap, ()).await?;
/// while !run.status().await?.runtime_status.is_terminal() {
///     clock.advance(Duration::from_secs(365 * 24 * 3600));
///     tokio::task::yield_now().await;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct VirtualClock {
    now: Arc<watch::Sender<Timestamp>>,
}

impl VirtualClock {
    /// A clock that stands at the beginning of 2024.
    #[must_use]
    pub fn new() -> Self {
        Self::starting_at(Timestamp::from_ticks(17_040_672_000_000_000))
    }

    /// A clock that stands at `now`.
    #[must_use]
    pub fn starting_at(now: Timestamp) -> Self {
        Self { now: Arc::new(watch::Sender::new(now)) }
    }

    /// Moves the clock forward. Whatever is due by then happens; it is not waited for.
    pub fn advance(&self, by: Duration) {
        self.now.send_modify(|now| *now = now.saturating_add(by));
    }
}

impl Default for VirtualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        *self.now.borrow()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let mut now = self.now.subscribe();
        let clock = Arc::clone(&self.now);
        Box::pin(async move {
            // The sender is held here, so the wait cannot fail.
            let _ = now.wait_for(|now| *now >= deadline).await;
            drop(clock);
        })
    }
}

/// A clock that goes with tokio's, for tests that pause that one: `#[tokio::test(start_paused = true)]`. Whenever nothing is
/// left to do, such a clock jumps to the next thing that is due. Clones are the same clock.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeClock {
    epoch: Timestamp,
    start: tokio::time::Instant,
}

impl RuntimeClock {
    /// A clock that stands at the beginning of 2024 now.
    #[must_use]
    pub fn new() -> Self {
        Self { epoch: Timestamp::from_ticks(17_040_672_000_000_000), start: tokio::time::Instant::now() }
    }
}

impl Default for RuntimeClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for RuntimeClock {
    fn now(&self) -> Timestamp {
        self.epoch.saturating_add(self.start.elapsed())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(deadline.saturating_since(self.now())))
    }
}
