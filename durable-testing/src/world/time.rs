//! Virtual time: a runtime whose clock stands still until somebody asks for time to pass.
//!
//! Everything runs on one thread, on a tokio runtime with a paused clock. Such a clock jumps to the next timer when nothing
//! else is left to do, and only while somebody waits for it. So time passes in the order in which things are due, and after
//! each of them everything that follows from it is done before the next one.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::activity::without_threads;
use durable_core::engine::Clock;
use durable_core::model::Timestamp;
use parking_lot::Mutex;

use super::client::inside;
use super::gate::Gate;
use super::logs::Logs;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::time::Instant;

/// Further away than anything that is due.
const NEVER: Duration = Duration::from_secs(500 * 365 * 24 * 3_600);

/// A runtime on virtual time.
#[derive(Debug)]
pub(super) struct Time {
    /// Taken when it ends.
    runtime: Option<Runtime>,
    clock: WorldClock,
    probe: Arc<Probe>,
    logs: Logs,
}

/// The clock of a world. Clones are the same clock.
#[derive(Debug, Clone)]
pub(super) struct WorldClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Lets code outside of the runtime read its clock.
    runtime: OnceLock<Handle>,
    start: OnceLock<Instant>,
    epoch: Timestamp,
    /// How far the runtime's clock is ahead, after jumps over nothing at all.
    ahead: Mutex<Duration>,
    /// The runtime counts milliseconds. This is the exact time of the last thing that was due.
    exact: Mutex<Timestamp>,
    /// Counts what was due.
    pulse: AtomicU64,
}

/// Wakes the one who drives the runtime when there is nothing left to do.
#[derive(Debug, Default)]
struct Probe {
    watch: Mutex<Option<Watch>>,
    gate: Gate,
}

#[derive(Debug)]
struct Watch {
    waker: Waker,
    /// Only once the clock has moved past this.
    after: Option<Instant>,
    rang: bool,
}

impl Probe {
    /// The runtime is about to sleep.
    fn idle(&self) {
        // What it gives is done first.
        if self.gate.release() {
            return;
        }
        if let Some(watch) = &mut *self.watch.lock()
            && watch.after.is_none_or(|after| Instant::now() > after)
        {
            watch.rang = true;
            watch.waker.wake_by_ref();
        }
    }

    /// Completes when there is nothing left to do: at this time, or at the first one after `after`.
    async fn wait(&self, after: Option<Instant>) {
        /// Takes the watch away when it is not waited for any more.
        struct Off<'a>(&'a Probe);
        impl Drop for Off<'_> {
            fn drop(&mut self) {
                self.0.watch.lock().take();
            }
        }
        let _off = Off(self);
        poll_fn(|cx| {
            let mut watch = self.watch.lock();
            if watch.as_ref().is_some_and(|watch| watch.rang) {
                return Poll::Ready(());
            }
            *watch = Some(Watch { waker: cx.waker().clone(), after, rang: false });
            Poll::Pending
        })
        .await;
    }
}

impl Time {
    /// A runtime whose clock stands at `epoch`.
    pub(super) fn new(epoch: Timestamp, gate: Gate, keeps_logs: bool) -> Self {
        let probe = Arc::new(Probe { watch: Mutex::default(), gate });
        let on_idle = Arc::clone(&probe);
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .on_thread_park(move || on_idle.idle())
            .build()
            .unwrap_or_else(|error| panic!("a world needs a runtime, and none can be made: {error}"));
        let inner = Inner {
            runtime: OnceLock::new(),
            start: OnceLock::new(),
            epoch,
            ahead: Mutex::default(),
            exact: Mutex::new(epoch),
            pulse: AtomicU64::new(0),
        };
        let clock = WorldClock(Arc::new(inner));
        let start = {
            let _inside = runtime.enter();
            Instant::now()
        };
        let _ = clock.0.start.set(start);
        let _ = clock.0.runtime.set(runtime.handle().clone());
        let logs = if keeps_logs { Logs::kept(clock.clone()) } else { Logs::default() };
        Self { runtime: Some(runtime), clock, probe, logs }
    }

    pub(super) fn logs(&self) -> &Logs {
        &self.logs
    }

    pub(super) fn clock(&self) -> &WorldClock {
        &self.clock
    }

    /// Runs a future, and everything else meanwhile. Time passes as long as it waits and nothing else is left to do.
    pub(super) fn run<F: Future + Send>(&self, future: F) -> F::Output
    where
        F::Output: Send,
    {
        let Some(runtime) = &self.runtime else { unreachable!("the runtime is taken only when the world ends") };
        let run = || without_threads(|| inside(|| self.logs.keep(|| runtime.block_on(future))));
        on_a_free_thread(run)
    }

    /// Runs until there is nothing left to do at this time.
    pub(super) fn settle(&self) {
        self.run(self.probe.wait(None));
    }

    /// Lets this much time pass.
    pub(super) fn pass(&self, time: Duration) {
        if !time.is_zero() {
            self.run(async { tokio::time::sleep(time).await });
        }
        self.settle();
    }

    /// Lets time pass up to the next thing that is due, at most for `limit`, and runs until there is nothing left to do
    /// then. False when nothing was due.
    pub(super) fn pass_to_next(&self, limit: Duration) -> bool {
        self.settle();
        let (start, pulse) = (self.instant(), self.clock.pulses());
        let end = start + limit.min(NEVER);
        loop {
            let before = self.instant();
            // The runtime's clock also stops at times that mean nothing, when it sorts its timers.
            let over = self.run(async {
                tokio::select! {
                    biased;
                    () = self.probe.wait(Some(before)) => false,
                    () = tokio::time::sleep_until(end) => true,
                }
            });
            self.settle();
            if self.clock.pulses() != pulse {
                return true;
            }
            if over {
                break;
            }
        }
        if limit >= NEVER {
            // Nobody can have noticed: there was nobody who waited for the clock.
            *self.clock.0.ahead.lock() += self.instant() - start;
        }
        false
    }

    fn instant(&self) -> Instant {
        self.run(async { Instant::now() })
    }

    /// The longest limit.
    pub(super) const NO_LIMIT: Duration = NEVER;
}

impl Drop for Time {
    fn drop(&mut self) {
        let runtime = self.runtime.take();
        on_a_free_thread(|| drop(runtime));
    }
}

/// Runs something that blocks. Within another runtime that is only allowed on a thread that is not part of it.
fn on_a_free_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    if Handle::try_current().is_err() {
        return run();
    }
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}

impl WorldClock {
    /// The time in milliseconds.
    pub(super) fn coarse(&self) -> Timestamp {
        let (Some(runtime), Some(start)) = (self.0.runtime.get(), self.0.start.get()) else { return self.0.epoch };
        let _inside = runtime.enter();
        let passed = (Instant::now() - *start).saturating_sub(*self.0.ahead.lock());
        self.0.epoch.saturating_add(passed)
    }

    /// Something was due.
    pub(super) fn pulse(&self) {
        self.0.pulse.fetch_add(1, Ordering::Relaxed);
    }

    fn pulses(&self) -> u64 {
        self.0.pulse.load(Ordering::Relaxed)
    }
}

impl Clock for WorldClock {
    fn now(&self) -> Timestamp {
        self.coarse().max(*self.0.exact.lock())
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let clock = self.clone();
        Box::pin(async move {
            let left = deadline.saturating_since(clock.coarse());
            // Down to the millisecond, and the rest is made up for.
            let left = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            if !left.is_zero() {
                tokio::time::sleep(left).await;
                clock.pulse();
            }
            let mut exact = clock.0.exact.lock();
            *exact = deadline.max(*exact);
        })
    }
}
