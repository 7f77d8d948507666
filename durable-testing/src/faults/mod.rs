//! A backend whose commits fail on demand.

mod calls;
mod script;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use durable_core::backend::{Backend, Write};
use parking_lot::Mutex;
use tokio::sync::watch;

use self::script::Script;
use crate::store::{Open, Store};

pub(crate) use self::script::{Fault, Struck};

/// Passes everything on to another backend, except the commits that shall fail.
///
/// Commits are counted from 1, in the order in which they arrive. Queries, [`attach`](Backend::attach) and
/// [`detach`](Backend::detach) work, unless they are told otherwise, and are not counted; [`hold`](Self::hold) stops everything. A
/// failed commit reports an error of the kind [`Unavailable`](durable_core::backend::BackendErrorKind::Unavailable), as a store does
/// that has lost its disk or its connection.
///
/// ```
/// use std::sync::Arc;
/// use durable_core::backend::{Backend, memory::Memory};
/// use durable_testing::faults::FaultyBackend;
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = FaultyBackend::new(Arc::new(Memory::new()));
/// store.fail(2);
/// assert!(store.commit(Arc::default()).await.is_ok());
/// assert!(store.commit(Arc::default()).await.is_err());
/// assert!(store.commit(Arc::default()).await.is_ok());
/// assert_eq!(store.commits(), 3);
/// # });
/// ```
pub struct FaultyBackend {
    store: Store,
    script: Mutex<Script>,
    ended: watch::Sender<u64>,
    held: watch::Sender<bool>,
    loses_hints: AtomicBool,
    lost_histories: AtomicU64,
    lost_looks: AtomicU64,
    looks: AtomicU64,
    on_crash: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    refused: Mutex<Option<Refused>>,
    on_write: OnceLock<OnWrite>,
}

/// Is told of writes that have been made.
type OnWrite = Box<dyn Fn(&[Write]) + Send + Sync>;

/// True for writes that can never be made.
type Refused = Arc<dyn Fn(&Write) -> bool + Send + Sync>;

impl FaultyBackend {
    /// A backend that works, until it is told otherwise.
    #[must_use]
    pub fn new(inner: Arc<dyn Backend>) -> Self {
        Self::of(Store::given(inner))
    }

    /// A backend that works on a store that is opened for each process.
    pub(crate) fn opened_by(open: Open) -> Self {
        Self::of(Store::opened_by(open))
    }

    fn of(store: Store) -> Self {
        let (script, on_crash, refused, on_write) = Default::default();
        let (ended, held) = (watch::Sender::new(0), watch::Sender::new(false));
        let [lost_histories, lost_looks, looks] = [0, 0, 0].map(AtomicU64::new);
        let loses_hints = AtomicBool::new(false);
        Self { store, script, ended, held, loses_hints, lost_histories, lost_looks, looks, on_crash, refused, on_write }
    }

    /// The process dies now: nothing that it still asks for happens, and whoever was given to
    /// [`on_crash`](Self::on_crash) is told.
    pub(crate) fn die_now(&self) {
        self.script.lock().is_over = true;
        self.tell_of_the_crash();
    }

    fn tell_of_the_crash(&self) {
        let end = self.on_crash.lock().clone();
        if let Some(end) = end {
            end();
        }
    }

    /// Another process begins on the same store.
    pub(crate) fn next_process(&self) {
        self.store.close();
        self.script.lock().is_over = false;
    }

    pub(crate) fn set(&self, n: u64, fault: Fault) {
        self.script.lock().faults.insert(n, fault);
    }

    /// The fault that has struck last, unless it was taken before.
    pub(crate) fn take_struck(&self) -> Option<Struck> {
        self.script.lock().struck.take()
    }

    /// True when every commit fails.
    pub(crate) fn is_dead(&self) -> bool {
        let script = self.script.lock();
        script.fail_from.is_some_and(|from| from <= script.arrived)
    }

    /// What was to be written as a fault struck last.
    pub(crate) fn struck_batch(&self) -> Option<Arc<Vec<Write>>> {
        self.script.lock().struck_batch.clone()
    }

    /// How many single commits have failed so far.
    pub(crate) fn failures(&self) -> u64 {
        self.script.lock().failures
    }

    /// The `n`th commit fails without happening.
    pub fn fail(&self, n: u64) {
        self.set(n, Fault::Fail);
    }

    /// The process dies just before the `n`th commit: it does not happen, it is never answered, and whoever was given to
    /// [`on_crash`](Self::on_crash) is told.
    pub fn crash(&self, n: u64) {
        self.set(n, Fault::Crash);
    }

    /// The process dies just after the `n`th commit: it happens, it is never answered, and whoever was given to
    /// [`on_crash`](Self::on_crash) is told.
    pub fn crash_after(&self, n: u64) {
        self.set(n, Fault::CrashAfter);
    }

    /// Who ends the process when it shall die at a commit. A [`World`](crate::World) has set this already.
    pub fn on_crash(&self, end: impl Fn() + Send + Sync + 'static) {
        *self.on_crash.lock() = Some(Arc::new(end));
    }

    /// Who is told of the writes that have been made.
    pub(crate) fn on_write(&self, told: impl Fn(&[Write]) + Send + Sync + 'static) {
        let _ = self.on_write.set(Box::new(told));
    }

    /// The `n`th commit happens, and its answer is lost: it reports an error nevertheless.
    pub fn lose_answer(&self, n: u64) {
        self.set(n, Fault::LoseAnswer);
    }

    /// The `n`th commit and all that follow fail without happening, as after a crash of the process at this point.
    pub fn fail_from(&self, n: u64) {
        self.script.lock().fail_from = Some(n);
    }

    /// Such writes can never be made, as with a damaged row of a table: a commit with one of them fails for good, with an error
    /// of the kind [`Corrupt`](durable_core::backend::BackendErrorKind::Corrupt).
    pub fn refuse(&self, is_refused: impl Fn(&Write) -> bool + Send + Sync + 'static) {
        *self.refused.lock() = Some(Arc::new(is_refused));
    }

    /// No commit fails any more. The count goes on.
    pub fn heal(&self) {
        self.refused.lock().take();
        let mut script = self.script.lock();
        script.faults.clear();
        script.fail_from = None;
    }

    /// From now on every call waits, until [`resume`](Self::resume): what the store sees of a process that stands still, or
    /// that has lost its connection.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// The calls that wait, and all that follow, go through.
    pub fn resume(&self) {
        self.held.send_replace(false);
    }

    /// Whether hints for other workers get lost from now on. See [`notify`](durable_core::backend::SharedBackend::notify).
    pub fn lose_hints(&self, lose: bool) {
        self.loses_hints.store(lose, Ordering::Relaxed);
    }

    /// Has the next `n` calls of [`history`](Backend::history) fail as if the store were away.
    pub fn fail_histories(&self, n: u64) {
        self.lost_histories.store(n, Ordering::Relaxed);
    }

    /// Has the next `n` looks for what is [`ready`](Backend::ready) or for [`timers`](Backend::timers) fail as if the store were
    /// away.
    pub fn fail_looks(&self, n: u64) {
        self.lost_looks.store(n, Ordering::Relaxed);
    }

    /// How many commits have arrived so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.script.lock().arrived
    }

    /// How often somebody has looked for what is [`ready`](Backend::ready) so far.
    #[must_use]
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    /// Waits until `n` commits have been answered or have failed.
    pub async fn reached(&self, n: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= n).await;
    }
}

impl fmt::Debug for FaultyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyBackend").field("script", &self.script.lock()).finish_non_exhaustive()
    }
}
