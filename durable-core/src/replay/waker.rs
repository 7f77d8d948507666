//! The root waker, and how it tells a durable wake from a foreign one.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::task::Wake;
use std::thread::ThreadId;

use parking_lot::Mutex;

use super::leaf::DriverId;

/// Called when something outside wakes an orchestrator between its turns.
pub type WakeHook = Arc<dyn Fn() + Send + Sync>;

/// Wakes an executor. Only leaves wake it, only during a turn, only on the thread that runs the turn; whatever else
/// wakes it is a foreign future that the code awaits.
pub(super) struct RootWaker {
    inner: Mutex<Inner>,
    hook: Option<WakeHook>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Between,
    Turn(ThreadId),
    Closed,
}

#[derive(Debug)]
struct Inner {
    mode: Mode,
    woken: bool,
    /// The drivers that were woken. They run in the order in which they were made.
    drivers: BTreeSet<DriverId>,
    foreign: bool,
}

impl RootWaker {
    pub(super) fn new(hook: Option<WakeHook>) -> Arc<Self> {
        let inner = Inner { mode: Mode::Between, woken: false, drivers: BTreeSet::new(), foreign: false };
        Arc::new(Self { inner: Mutex::new(inner), hook })
    }

    pub(super) fn begin_turn(&self) {
        self.inner.lock().mode = Mode::Turn(std::thread::current().id());
    }

    pub(super) fn end_turn(&self) {
        let mut inner = self.inner.lock();
        if inner.mode != Mode::Closed {
            inner.mode = Mode::Between;
        }
    }

    /// From now on nobody listens: the future is going away.
    pub(super) fn close(&self) {
        self.inner.lock().mode = Mode::Closed;
    }

    /// True when there was a wake since the last call.
    pub(super) fn take_woken(&self) -> bool {
        std::mem::take(&mut self.inner.lock().woken)
    }

    /// The next driver that was woken since it was taken last.
    pub(super) fn take_driver(&self) -> Option<DriverId> {
        self.inner.lock().drivers.pop_first()
    }

    /// True when a driver was woken and not yet taken.
    pub(super) fn is_awake(&self, driver: DriverId) -> bool {
        self.inner.lock().drivers.contains(&driver)
    }

    /// True when something foreign has woken the code.
    pub(super) fn is_foreign(&self) -> bool {
        self.inner.lock().foreign
    }

    /// Notes a wake when it is one of ours.
    pub(super) fn note(&self, woken: Option<DriverId>) {
        let mut inner = self.inner.lock();
        match (inner.mode, woken) {
            (Mode::Turn(thread), woken) if thread == std::thread::current().id() => match woken {
                None => inner.woken = true,
                Some(driver) => drop(inner.drivers.insert(driver)),
            },
            (Mode::Closed, _) => {}
            (Mode::Turn(_) | Mode::Between, _) => {
                let first = !std::mem::replace(&mut inner.foreign, true);
                drop(inner);
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
        f.debug_struct("RootWaker").field("inner", &self.inner).finish_non_exhaustive()
    }
}
