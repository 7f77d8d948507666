//! The root waker, and how it tells a durable wake from a foreign one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

use parking_lot::Mutex;

use super::leaf::DriverId;
use super::thread::ThreadMark;

/// Called when something outside wakes an orchestrator between its turns.
pub type WakeHook = Arc<dyn Fn() + Send + Sync>;

/// Wakes an executor. Only leaves wake it, only during a turn, only on the thread that runs the turn; whatever else
/// wakes it is a foreign future that the code awaits.
pub(super) struct RootWaker {
    /// The mark of the thread that runs the turn, or one of the two below.
    listener: AtomicU64,
    /// Touched by the thread of the turn alone.
    woken: AtomicBool,
    drivers: Mutex<BTreeSet<DriverId>>,
    /// True when there may be some in `drivers`. Touched by the thread of the turn alone.
    has_drivers: AtomicBool,
    foreign: AtomicBool,
    hook: Option<WakeHook>,
}

/// Nobody listens between two turns.
const BETWEEN: u64 = 0;

/// Nobody will ever listen: the future is going away.
const CLOSED: u64 = u64::MAX;

impl RootWaker {
    pub(super) fn new(hook: Option<WakeHook>) -> Arc<Self> {
        Arc::new(Self {
            listener: AtomicU64::new(BETWEEN),
            woken: AtomicBool::new(false),
            drivers: Mutex::default(),
            has_drivers: AtomicBool::new(false),
            foreign: AtomicBool::new(false),
            hook,
        })
    }

    pub(super) fn begin_turn(&self) {
        self.listener.store(ThreadMark::here().number(), Ordering::Release);
    }

    pub(super) fn end_turn(&self) {
        if self.listener.load(Ordering::Acquire) != CLOSED {
            self.listener.store(BETWEEN, Ordering::Release);
        }
    }

    /// From now on nobody listens: the future is going away.
    pub(super) fn close(&self) {
        self.listener.store(CLOSED, Ordering::Release);
    }

    /// True when there was a wake since the last call.
    pub(super) fn take_woken(&self) -> bool {
        let woken = self.woken.load(Ordering::Relaxed);
        self.woken.store(false, Ordering::Relaxed);
        woken
    }

    /// The next driver that was woken since it was taken last.
    pub(super) fn take_driver(&self) -> Option<DriverId> {
        if !self.has_drivers.load(Ordering::Relaxed) {
            return None;
        }
        let mut drivers = self.drivers.lock();
        let first = drivers.pop_first();
        self.has_drivers.store(!drivers.is_empty(), Ordering::Relaxed);
        first
    }

    /// True when a driver was woken and not yet taken.
    pub(super) fn is_awake(&self, driver: DriverId) -> bool {
        self.drivers.lock().contains(&driver)
    }

    /// True when something foreign has woken the code.
    pub(super) fn is_foreign(&self) -> bool {
        self.foreign.load(Ordering::Acquire)
    }

    /// Notes a wake when it is one of ours. Drivers run in the order in which they were made.
    pub(super) fn note(&self, woken: Option<DriverId>) {
        match self.listener.load(Ordering::Acquire) {
            CLOSED => {}
            listener if listener == ThreadMark::here().number() => match woken {
                None => self.woken.store(true, Ordering::Relaxed),
                Some(driver) => {
                    self.drivers.lock().insert(driver);
                    self.has_drivers.store(true, Ordering::Relaxed);
                }
            },
            _ => {
                let first = !self.foreign.swap(true, Ordering::AcqRel);
                if let (true, Some(hook)) = (first, &self.hook) {
                    hook();
                }
            }
        }
    }
}

impl Wake for RootWaker {
    fn wake(self: Arc<Self>) {
        self.note(None);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.note(None);
    }
}

/// Wakes one driver of an executor.
#[derive(Debug)]
pub(super) struct DriverWaker {
    pub(super) root: Arc<RootWaker>,
    pub(super) driver: DriverId,
}

impl Wake for DriverWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.root.note(Some(self.driver));
    }
}

impl fmt::Debug for RootWaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RootWaker")
            .field("woken", &self.woken)
            .field("drivers", &self.drivers)
            .field("foreign", &self.foreign)
            .finish_non_exhaustive()
    }
}
