//! The engine's time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::BoxFuture;
use crate::backend::TimerRow;
use crate::model::Timestamp;

/// Where an engine takes the time from. Tests put one of their own here.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Completes when `deadline` may have come. It may complete earlier; callers look at [`now`](Self::now) again.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;

    /// Lets a test decide in which order things happen that are due at the same time: a timer that is due fires when this has
    /// completed, and at once without it.
    fn hold(&self, timer: &TimerRow) -> Option<BoxFuture<'static, ()>> {
        let _ = timer;
        None
    }

    /// The time since some fixed moment, for measuring. It goes on while the machine sleeps, and nobody can set it. Unless a
    /// clock says otherwise it goes with [`now`](Self::now), which is right for one that nobody sets.
    fn elapsed(&self) -> Duration {
        self.now().saturating_since(Timestamp::UNIX_EPOCH)
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest sleep: timers follow a clock that was set, or a machine that was suspended, within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::system_now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.saturating_since(self.now()).min(LONGEST_SLEEP);
        Box::pin(tokio::time::sleep(left))
    }

    fn elapsed(&self) -> Duration {
        since_boot()
    }
}

/// `Instant` stands still on Linux and macOS while the machine sleeps, and a lease does not.
#[cfg(unix)]
fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: ClockId = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: ClockId = ClockId::Monotonic;
    let time = clock_gettime(CLOCK);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(not(unix))]
fn since_boot() -> Duration {
    static START: std::sync::LazyLock<std::time::Instant> = std::sync::LazyLock::new(std::time::Instant::now);
    START.elapsed()
}

/// The time of a store that several workers share, as far as it is known here: the time that has passed here since the store
/// last said its own.
pub(super) struct StoreClock {
    local: Arc<dyn Clock>,
    /// The store's time, in ticks, when nothing had elapsed here.
    start: AtomicI64,
}

impl StoreClock {
    pub(super) fn new(local: Arc<dyn Clock>) -> Self {
        Self { local, start: AtomicI64::new(0) }
    }

    /// The store said for the first time that it was `now`, somewhen between these two moments.
    pub(super) fn begin(&self, now: Timestamp, asked: Duration, answered: Duration) {
        let middle = asked + answered.saturating_sub(asked) / 2;
        self.start.store(now.ticks() - ticks(middle), Ordering::Relaxed);
    }

    /// The store said again that it was `now`, somewhen between these two moments. What is known already stays as far as it can be
    /// true: an answer that came late says little.
    pub(super) fn adjust(&self, now: Timestamp, asked: Duration, answered: Duration) {
        let (first, last) = (now.ticks() - ticks(answered.max(asked)), now.ticks() - ticks(asked));
        self.start.store(self.start.load(Ordering::Relaxed).clamp(first, last), Ordering::Relaxed);
    }
}

impl Clock for StoreClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_ticks(self.start.load(Ordering::Relaxed).saturating_add(ticks(self.local.elapsed())))
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.saturating_since(self.now());
        self.local.sleep_until(self.local.now().saturating_add(left))
    }

    fn elapsed(&self) -> Duration {
        self.local.elapsed()
    }
}

/// In ticks of 100 ns.
fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// A clock that is wrong by an hour, and stands where it was put.
    struct Wrong(Mutex<Duration>);

    impl Clock for Wrong {
        fn now(&self) -> Timestamp {
            Timestamp::from_ticks(ticks(*self.0.lock() + Duration::from_secs(3_600)))
        }

        fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
            let left = deadline.saturating_since(self.now());
            *self.0.lock() += left;
            Box::pin(std::future::ready(()))
        }

        fn elapsed(&self) -> Duration {
            *self.0.lock()
        }
    }

    #[test]
    fn the_systems_clock_measures_time_that_passes() {
        let before = SystemClock.elapsed();
        assert!(before > Duration::ZERO && SystemClock.elapsed() >= before);
    }

    #[test]
    fn a_store_rules_the_time_whatever_the_local_clock_says() {
        let seconds = Duration::from_secs;
        let local = Arc::new(Wrong(Mutex::new(seconds(10))));
        let clock = StoreClock::new(Arc::clone(&local) as Arc<dyn Clock>);
        let store = Timestamp::from_ticks(17_040_672_000_000_000);
        *local.0.lock() = seconds(12);
        clock.begin(store, seconds(10), seconds(12));
        assert_eq!(clock.now(), store.saturating_add(seconds(1)));
        drop(clock.sleep_until(store.saturating_add(seconds(5))));
        assert_eq!(clock.now(), store.saturating_add(seconds(5)), "it sleeps for what is left by the store's time");
        assert_eq!(clock.elapsed(), seconds(16));
    }

    #[test]
    fn a_late_answer_does_not_move_the_time() {
        let seconds = Duration::from_secs;
        let local = Arc::new(Wrong(Mutex::new(seconds(10))));
        let clock = StoreClock::new(Arc::clone(&local) as Arc<dyn Clock>);
        let store = Timestamp::from_ticks(17_040_672_000_000_000);
        clock.begin(store, seconds(10), seconds(10));
        *local.0.lock() = seconds(50);
        clock.adjust(store.saturating_add(seconds(1)), seconds(11), seconds(50));
        assert_eq!(clock.now(), store.saturating_add(seconds(40)), "it was heard long after it was said");
        clock.adjust(store.saturating_add(seconds(40)), seconds(12), seconds(50));
        assert_eq!(clock.now(), store.saturating_add(seconds(40)), "it was asked long before it was said");
        clock.adjust(store.saturating_add(seconds(45)), seconds(49), seconds(50));
        assert_eq!(clock.now(), store.saturating_add(seconds(45)), "the store's clock was put forward");
        clock.adjust(store, seconds(49), seconds(50));
        assert_eq!(clock.now(), store.saturating_add(seconds(1)), "and back");
    }
}
