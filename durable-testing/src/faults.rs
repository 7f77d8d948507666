//! A backend whose commits fail on demand.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityRow, Attached, Backend, BackendError, BackendErrorKind, CountRow, Heartbeat, HistoryRow, InstanceFilter,
    InstanceKey, InstanceRow, Notice, Notices, Owned, Pulse, SharedBackend, TimerRow, Unread, WorkerId, Write, Written,
};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::store::{Open, Store};

/// Passes everything on to another backend, except the commits that shall fail.
///
/// Commits are counted from 1, in the order in which they arrive. Queries, [`attach`](Backend::attach) and
/// [`detach`](Backend::detach) always work, and are not counted; [`hold`](Self::hold) stops everything. A failed commit reports an error of the kind
/// [`BackendErrorKind::Unavailable`], as a store does that has lost its disk or its connection.
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
    on_crash: Mutex<Option<Arc<dyn Fn() + Send + Sync>>>,
    refused: Mutex<Option<Refused>>,
}

/// True for writes that can never be made.
type Refused = Arc<dyn Fn(&Write) -> bool + Send + Sync>;

#[derive(Debug, Default)]
struct Script {
    arrived: u64,
    faults: BTreeMap<u64, Fault>,
    fail_from: Option<u64>,
    struck: Option<Struck>,
    struck_batch: Option<Arc<Vec<Write>>>,
    /// How many single commits have reported an error.
    failures: u64,
    /// The process has died: nothing that it still asks for happens.
    is_over: bool,
}

/// How a commit fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It does not happen, and an error is reported.
    Fail,
    /// It happens, and an error is reported.
    LoseAnswer,
    /// It does not happen, and the process dies.
    Crash,
    /// It happens, and the process dies.
    CrashAfter,
}

/// A fault that has struck.
#[derive(Debug, Clone)]
pub(crate) struct Struck {
    pub(crate) fault: Fault,
    /// What was to be written.
    pub(crate) batch: Arc<Vec<Write>>,
}

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
        let (script, on_crash, refused) = Default::default();
        let (ended, held) = (watch::Sender::new(0), watch::Sender::new(false));
        let (loses_hints, lost_histories) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { store, script, ended, held, loses_hints, lost_histories, on_crash, refused }
    }

    /// The process dies now: nothing that it still asks for happens, and whoever was given to
    /// [`on_crash`](Self::on_crash) is told.
    pub(crate) fn die_now(&self) {
        self.script.lock().is_over = true;
        self.tell_of_the_crash();
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

    /// The `n`th commit happens, and its answer is lost: it reports an error nevertheless.
    pub fn lose_answer(&self, n: u64) {
        self.set(n, Fault::LoseAnswer);
    }

    /// The `n`th commit and all that follow fail without happening, as after a crash of the process at this point.
    pub fn fail_from(&self, n: u64) {
        self.script.lock().fail_from = Some(n);
    }

    /// Such writes can never be made, as with a damaged row of a table: a commit with one of them fails for good, with an error
    /// of the kind [`BackendErrorKind::Corrupt`].
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

    /// Whether hints for other workers get lost from now on. See [`SharedBackend::notify`].
    pub fn lose_hints(&self, lose: bool) {
        self.loses_hints.store(lose, Ordering::Relaxed);
    }

    /// Has the next `n` calls of [`history`](Backend::history) fail as if the store were away.
    pub fn fail_histories(&self, n: u64) {
        self.lost_histories.store(n, Ordering::Relaxed);
    }

    /// How many commits have arrived so far.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.script.lock().arrived
    }

    /// Waits until `n` commits have been answered or have failed.
    pub async fn reached(&self, n: u64) {
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= n).await;
    }

    fn next(&self, batch: &Arc<Vec<Write>>) -> (u64, Option<Fault>) {
        let mut script = self.script.lock();
        script.arrived += 1;
        let n = script.arrived;
        let fault = match script.fail_from {
            Some(from) if n >= from => return (n, Some(Fault::Fail)),
            _ => script.faults.remove(&n),
        };
        if let Some(fault) = fault {
            script.failures += u64::from(matches!(fault, Fault::Fail | Fault::LoseAnswer));
            script.struck_batch = Some(Arc::clone(batch));
            script.struck = Some(Struck { fault, batch: Arc::clone(batch) });
        }
        (n, fault)
    }

    async fn carry_out(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let failed = |what: String| Err(BackendError::new(BackendErrorKind::Unavailable, what));
        let refused = self.refused.lock().clone();
        let is_refused = refused.is_some_and(|refused| batch.iter().any(|write| refused(write)));
        match self.next(&batch) {
            (_, None) if is_refused => Err(BackendError::new(BackendErrorKind::Corrupt, "a write was made to fail")),
            (_, None) => self.write(batch).await,
            (n, Some(Fault::Fail)) => failed(format!("commit {n} was made to fail")),
            (n, Some(Fault::LoseAnswer)) => {
                self.write(batch).await?;
                failed(format!("the answer to commit {n} was made to get lost"))
            }
            (_, Some(Fault::Crash)) => self.die().await,
            (_, Some(Fault::CrashAfter)) => {
                self.write(batch).await?;
                self.die().await
            }
        }
    }

    async fn write(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let store = self.store.backend();
        self.store.wait(store.commit(batch)).await
    }

    /// The store, as long as the process lives.
    async fn living(&self) -> Arc<dyn Backend> {
        let is_over = self.script.lock().is_over;
        if is_over {
            return std::future::pending().await;
        }
        // The sender lives as long as `self`, so waiting cannot fail.
        let _ = self.held.subscribe().wait_for(|held| !*held).await;
        self.store.backend()
    }

    async fn die<T>(&self) -> T {
        self.tell_of_the_crash();
        std::future::pending().await
    }

    fn tell_of_the_crash(&self) {
        let end = self.on_crash.lock().clone();
        if let Some(end) = end {
            end();
        }
    }
}

impl fmt::Debug for FaultyBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FaultyBackend").field("script", &self.script.lock()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for FaultyBackend {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.store.backend().shared().map(|_| self as &dyn SharedBackend)
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        let store = self.living().await;
        self.store.wait(store.attach(name, lease)).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        let store = self.living().await;
        self.store.wait(store.detach(worker)).await
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        drop(self.living().await);
        let result = self.carry_out(batch).await;
        self.ended.send_modify(|ended| *ended += 1);
        result
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.ready(worker, after, limit)).await
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.timers(worker, after, limit)).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        let store = self.living().await;
        let fails =
            self.lost_histories.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok();
        if fails {
            return Err(BackendError::new(BackendErrorKind::Unavailable, "the store is away"));
        }
        self.store.wait(store.history(key)).await
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        let store = self.living().await;
        let mut owned = self.store.wait(store.owned(worker, keys)).await?;
        if self.lost_histories.load(Ordering::Relaxed) > 0 {
            // Whoever needs them has to ask, and is refused.
            owned.iter_mut().for_each(|owned| owned.history = None);
        }
        Ok(owned)
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.instance(id)).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.list(filter)).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.count(filter)).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.activities(key)).await
    }
}

#[async_trait]
impl SharedBackend for FaultyBackend {
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.heartbeat(heartbeat)).await,
            None => Ok(None),
        }
    }

    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.unread(after)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn notify(&self, notices: Vec<Notice>) {
        let store = self.living().await;
        if let Some(shared) = store.shared()
            && !self.loses_hints.load(Ordering::Relaxed)
        {
            self.store.wait(shared.notify(notices)).await;
        }
    }

    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.listen(worker)).await,
            None => Ok(Notices::channel().1),
        }
    }
}

#[cfg(test)]
mod tests {
    use durable_core::backend::memory::Memory;

    use super::*;

    fn store() -> FaultyBackend {
        FaultyBackend::new(Arc::new(Memory::new()))
    }

    fn batch(id: &str) -> Arc<Vec<Write>> {
        Arc::new(vec![Write::Create(crate::conformance::fixtures::create(id))])
    }

    fn block_on<T>(test: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(test)
    }

    #[test]
    fn a_commit_fails_before_or_after_it_happens() {
        block_on(async {
            let store = store();
            store.fail(1);
            store.lose_answer(2);
            assert!(store.commit(batch("a")).await.unwrap_err().is_retryable());
            assert!(store.commit(batch("b")).await.unwrap_err().is_retryable());
            assert!(store.instance("a").await.unwrap().is_none());
            assert!(store.instance("b").await.unwrap().is_some());
            assert_eq!(store.commits(), 2);
        });
    }

    #[test]
    fn a_process_that_dies_at_a_commit_gets_no_answer() {
        block_on(async {
            let store = store();
            store.crash(1);
            store.crash_after(2);
            let deaths = Arc::new(Mutex::new(0));
            let counted = Arc::clone(&deaths);
            store.on_crash(move || *counted.lock() += 1);
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            for (n, id) in [(1, "a"), (2, "b")] {
                assert!(std::pin::pin!(store.commit(batch(id))).poll(&mut context).is_pending());
                assert_eq!(*deaths.lock(), n);
            }
            assert!(store.instance("a").await.unwrap().is_none());
            assert!(store.instance("b").await.unwrap().is_some());
        });
    }

    #[test]
    fn a_write_that_is_refused_fails_for_good_until_the_store_is_healed() {
        block_on(async {
            let store = store();
            store.refuse(|write| matches!(write, Write::Create(create) if create.id == "b"));
            assert!(store.commit(batch("a")).await.is_ok());
            assert!(!store.commit(batch("b")).await.unwrap_err().is_retryable());
            store.heal();
            assert!(store.commit(batch("b")).await.is_ok());
        });
    }

    #[test]
    fn a_dead_store_can_be_healed() {
        block_on(async {
            let store = store();
            store.fail_from(2);
            assert!(store.commit(batch("a")).await.is_ok());
            assert!(store.commit(batch("b")).await.is_err());
            assert!(store.commit(batch("b")).await.is_err());
            store.heal();
            assert!(store.commit(batch("b")).await.is_ok());
            assert_eq!(store.commits(), 4);
        });
    }

    #[test]
    fn a_store_that_is_held_answers_nothing_until_it_goes_on() {
        block_on(async {
            let store = Arc::new(store());
            store.hold();
            let held = Arc::clone(&store);
            let mut commit = std::pin::pin!(held.commit(batch("a")));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(commit.as_mut().poll(&mut context).is_pending());
            assert!(std::pin::pin!(held.instance("a")).poll(&mut context).is_pending());
            store.resume();
            assert!(store.instance("a").await.unwrap().is_none(), "nothing has happened meanwhile");
            commit.await.unwrap();
            assert!(store.instance("a").await.unwrap().is_some());
        });
    }

    #[test]
    fn waiting_for_a_commit_ends_when_it_has_ended() {
        block_on(async {
            let store = Arc::new(store());
            store.fail(2);
            let watched = Arc::clone(&store);
            let mut waiting = std::pin::pin!(watched.reached(2));
            let mut context = std::task::Context::from_waker(std::task::Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            let _ = store.commit(batch("a")).await;
            assert!(waiting.as_mut().poll(&mut context).is_pending());
            let _ = store.commit(batch("b")).await;
            assert!(waiting.as_mut().poll(&mut context).is_ready());
            store.reached(0).await;
        });
    }
}
