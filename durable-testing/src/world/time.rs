//! Virtual time: a runtime whose clock stands still until somebody asks for time to pass.
//!
//! Everything runs on one thread, on a tokio runtime with a paused clock. Such a clock jumps to the next timer when nothing
//! else is left to do, and only while somebody waits for it. So time passes in the order in which things are due, and after
//! each of them everything that follows from it is done before the next one.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Poll, Waker};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::activity::without_threads;
use durable_core::backend::TimerRow;
use durable_core::engine::Clock;
use durable_core::model::Timestamp;
use parking_lot::{Mutex, RwLock};

use super::client::{inside, is_inside};
use super::crash::Mishaps;
use super::gate::Gate;
use super::held::HeldTimers;
use super::logs::Logs;
use crate::store::on_a_free_thread;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Further away than anything that is due.
const NEVER: Duration = Duration::from_secs(500 * 365 * 24 * 3_600);

/// How often the runtime may sleep before somebody looks whether that makes sense.
const MANY: u64 = 1_000;

/// How [`Time::pass_many`] ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    Reached,
    NothingDue,
    GoesOn,
}

/// A runtime on virtual time.
pub(super) struct Time {
    /// Another one after each crash. Taken when the world ends.
    runtime: RwLock<Option<Arc<Runtime>>>,
    clock: WorldClock,
    probe: Arc<Probe>,
    mishaps: Arc<Mishaps>,
    logs: Logs,
}

/// A time down to the tick, and the same in the resolution of the runtime.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) coarse: Timestamp,
    pub(super) exact: Timestamp,
}

impl Moment {
    /// A time at which a runtime begins.
    pub(super) fn new(time: Timestamp) -> Self {
        Self { coarse: time, exact: time }
    }
}

/// The clock of a world. Clones are the same clock.
#[derive(Debug, Clone)]
pub(super) struct WorldClock(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    base: RwLock<Base>,
    /// The runtime counts milliseconds. This is the exact time of the last thing that was due.
    exact: Mutex<Timestamp>,
    /// Counts what was due.
    pulse: AtomicU64,
    last_pulse: Mutex<Timestamp>,
    timers: HeldTimers,
}

/// What the times of the present runtime mean.
#[derive(Debug)]
struct Base {
    /// Lets code outside of the runtime read its clock.
    runtime: Handle,
    start: Instant,
    epoch: Timestamp,
    /// How far the runtime's clock is ahead, after jumps over nothing at all.
    ahead: Duration,
}

impl Base {
    fn new(runtime: &Runtime, epoch: Timestamp) -> Self {
        let _inside = runtime.enter();
        Self { runtime: runtime.handle().clone(), start: Instant::now(), epoch, ahead: Duration::ZERO }
    }
}

/// Wakes the one who drives the runtime when there is nothing left to do.
#[derive(Debug, Default)]
struct Probe {
    watch: Mutex<Option<Watch>>,
    /// How often the runtime may still sleep before `tired` tells.
    patience: AtomicU64,
    tired: Notify,
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
        if self.patience.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.tired.notify_one();
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
    /// A runtime whose clock stands at this time.
    pub(super) fn new(now: Moment, mishaps: Arc<Mishaps>, gate: Gate, keeps_logs: bool) -> Self {
        let timers = HeldTimers::new(gate.clone(), Arc::clone(&mishaps.faults));
        let probe = Arc::new(Probe { gate, ..Probe::default() });
        let runtime = runtime(&probe);
        let base = RwLock::new(Base::new(&runtime, now.coarse));
        let (exact, last_pulse) = (Mutex::new(now.exact), Mutex::new(now.coarse));
        let inner = Inner { base, exact, pulse: AtomicU64::new(0), last_pulse, timers };
        let clock = WorldClock(Arc::new(inner));
        let logs = if keeps_logs { Logs::kept(clock.clone()) } else { Logs::default() };
        Self { runtime: RwLock::new(Some(Arc::new(runtime))), clock, probe, mishaps, logs }
    }

    /// Ends everything that runs, wherever it stands. The clock stays where it is.
    pub(super) fn reboot(&self) {
        let now = self.clock.coarse();
        let next = runtime(&self.probe);
        let base = Base::new(&next, now);
        let old = self.runtime.write().replace(Arc::new(next));
        on_a_free_thread(|| inside(|| drop(old)));
        *self.clock.0.base.write() = base;
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
        assert!(!is_inside(), "a world cannot be moved from within itself: use `World::client` in code that it runs");
        let runtime = self.runtime.read().clone();
        let Some(runtime) = runtime else { unreachable!("the runtime is taken only when the world ends") };
        let run = || without_threads(|| inside(|| self.logs.keep(|| runtime.block_on(future))));
        on_a_free_thread(run)
    }

    /// As [`run`](Self::run), up to a crash: `None` when that came first.
    pub(super) fn run_or_crash<F: Future + Send>(&self, future: F) -> Option<F::Output>
    where
        F::Output: Send,
    {
        self.run(async {
            tokio::select! {
                // Looked at first, so that it has every answer that came before the end.
                biased;
                output = future => Some(output),
                () = self.mishaps.crashed() => None,
            }
        })
    }

    /// Runs until there is nothing left to do at this time.
    pub(super) fn settle(&self) {
        loop {
            self.run_or_crash(self.probe.wait(None));
            if self.mishaps.revive() {
                continue;
            }
            let Some(pause) = self.mishaps.take_pause() else { return };
            self.run_or_crash(sleep(pause));
        }
    }

    /// Lets this much time pass.
    pub(super) fn pass(&self, time: Duration) {
        let end = self.clock.coarse().saturating_add(time);
        loop {
            let rest = end.saturating_since(self.clock.coarse());
            if !rest.is_zero() {
                self.run_or_crash(sleep(rest));
            }
            self.settle();
            if self.clock.coarse() >= end {
                return;
            }
        }
    }

    /// Lets time pass up to the next thing that is due, at most for `limit`, and runs until there is nothing left to do
    /// then. False when nothing was due.
    pub(super) fn pass_to_next(&self, limit: Duration) -> bool {
        self.settle();
        let (start, pulse, deaths) = (self.clock.coarse(), self.clock.pulses(), self.mishaps.deaths());
        let end = self.instant() + limit.min(NEVER);
        loop {
            let before = self.instant();
            // The runtime's clock also stops at times that mean nothing, when it sorts its timers.
            let over = self.run_or_crash(async {
                tokio::select! {
                    biased;
                    () = self.probe.wait(Some(before)) => false,
                    () = tokio::time::sleep_until(end) => true,
                }
            });
            self.settle();
            // After a crash times are counted from another beginning, and something has happened anyway.
            let Some(over) = over.filter(|_| self.mishaps.deaths() == deaths) else { return true };
            if self.clock.pulses() != pulse {
                return true;
            }
            if self.mishaps.faults.is_dead() {
                // The engine tries again and again, for ever.
                return false;
            }
            if over {
                break;
            }
        }
        if limit >= NEVER {
            self.take_back_since(start);
        }
        false
    }

    /// Lets time pass until `reached`, until nothing is due, or until many things were due; at most for `limit`. Then it runs
    /// until there is nothing left to do. It is quicker than one thing at a time.
    pub(super) fn pass_many<F: Future + Send>(&self, reached: F, limit: Duration) -> Passed
    where
        F::Output: Send,
    {
        let start = self.clock.coarse();
        self.probe.patience.store(MANY, Ordering::Relaxed);
        let passed = self.run_or_crash(async {
            tokio::select! {
                biased;
                _ = reached => Passed::Reached,
                () = self.probe.tired.notified() => Passed::GoesOn,
                () = sleep(limit.min(NEVER)) => Passed::NothingDue,
            }
        });
        if limit >= NEVER && matches!(passed, Some(Passed::NothingDue)) {
            self.take_back_since(start);
        }
        self.settle();
        match passed {
            Some(Passed::NothingDue) if limit < NEVER => Passed::GoesOn,
            // The engine tries again and again, for ever.
            Some(Passed::GoesOn) if self.mishaps.faults.is_dead() => Passed::NothingDue,
            Some(passed) => passed,
            None => Passed::GoesOn,
        }
    }

    /// Takes back the time that has passed since the last thing was due, or since `start`. Nobody can have noticed: there was
    /// nobody who waited for the clock.
    fn take_back_since(&self, start: Timestamp) {
        let last = start.max(*self.clock.0.last_pulse.lock());
        let ahead = self.clock.coarse().saturating_since(last);
        self.clock.0.base.write().ahead += ahead;
    }

    fn instant(&self) -> Instant {
        self.run(async { Instant::now() })
    }

    /// The longest limit.
    pub(super) const NO_LIMIT: Duration = NEVER;
}

impl Drop for Time {
    fn drop(&mut self) {
        let runtime = self.runtime.write().take();
        on_a_free_thread(|| drop(runtime));
    }
}

/// The sleep of tokio, which ends after thirty years at the latest, without that limit.
async fn sleep(time: Duration) {
    tokio::time::sleep_until(Instant::now() + time).await;
}

fn runtime(probe: &Arc<Probe>) -> Runtime {
    let on_idle = Arc::clone(probe);
    Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .on_thread_park(move || on_idle.idle())
        .build()
        .unwrap_or_else(|error| panic!("a world needs a runtime, and none can be made: {error}"))
}

impl WorldClock {
    /// The time in milliseconds.
    pub(super) fn coarse(&self) -> Timestamp {
        let base = self.0.base.read();
        let is_inside = Handle::try_current().is_ok_and(|here| here.id() == base.runtime.id());
        let _inside = (!is_inside).then(|| base.runtime.enter());
        let passed = (Instant::now() - base.start).saturating_sub(base.ahead);
        base.epoch.saturating_add(passed)
    }

    /// Where it stands.
    pub(super) fn moment(&self) -> Moment {
        Moment { coarse: self.coarse(), exact: *self.0.exact.lock() }
    }

    /// Something was due.
    pub(super) fn pulse(&self) {
        self.pulse_at(self.coarse());
    }

    /// Something was due at this time.
    fn pulse_at(&self, time: Timestamp) {
        *self.0.last_pulse.lock() = time;
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
            let start = clock.coarse();
            let left = deadline.saturating_since(start);
            // Down to the millisecond, and the rest is made up for.
            let left = Duration::from_millis(u64::try_from(left.as_millis()).unwrap_or(u64::MAX));
            if !left.is_zero() {
                sleep(left).await;
                clock.pulse_at(start.saturating_add(left));
            }
            let mut exact = clock.0.exact.lock();
            *exact = deadline.max(*exact);
        })
    }

    fn hold(&self, timer: &TimerRow) -> Option<BoxFuture<'static, ()>> {
        self.0.timers.hold(timer)
    }
}
