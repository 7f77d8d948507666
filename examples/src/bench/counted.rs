//! A store that counts what is committed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityRow, Attached, Backend, BackendError, BackendErrorKind, CountRow, Heartbeat, HistoryRow, InstanceFilter,
    InstanceKey, InstanceRow, Notice, Notices, Owned, Pulse, RunnableOrchestrators, SharedBackend, TimerRow,
    TurnCommit, Unread, WorkerId, Write, Written,
};
use durable_core::model::RuntimeStatus;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::Outcome;
use super::acknowledged::Acknowledged;

/// What was committed so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Transactions, each of which waits for the disk once.
    pub(super) commits: u64,
    /// Turns in them.
    pub(super) turns: u64,
    /// First turns that left their instances alive.
    pub(super) parked: u64,
    /// Turns that ended their instances.
    pub(super) finished: u64,
    /// Those of them that ended otherwise than by completing.
    pub(super) failed: u64,
    /// Activities that were taken over.
    pub(super) taken: u64,
}

impl Seen {
    pub(super) fn plus(self, more: Self) -> Self {
        Self {
            commits: self.commits + more.commits,
            turns: self.turns + more.turns,
            parked: self.parked + more.parked,
            finished: self.finished + more.finished,
            failed: self.failed + more.failed,
            taken: self.taken + more.taken,
        }
    }
}

/// Is told of every turn, once it is durable.
type OnTurn = Box<dyn Fn(&TurnCommit) + Send + Sync>;

/// The counts of a store, over all hubs that used it.
pub(super) struct Counts {
    seen: watch::Sender<Seen>,
    errors: AtomicU64,
    on_turn: Option<OnTurn>,
}

impl Counts {
    pub(super) fn new(on_turn: Option<OnTurn>) -> Arc<Self> {
        Arc::new(Self { seen: watch::Sender::new(Seen::default()), errors: AtomicU64::new(0), on_turn })
    }

    pub(super) fn seen(&self) -> Seen {
        *self.seen.borrow()
    }

    /// Calls that failed, whatever the reason: a database that is locked is one of them.
    pub(super) fn errors(&self) -> u64 {
        self.errors.load(Ordering::Relaxed)
    }

    /// What waits for counts does not look at results: this does.
    pub(super) fn none_failed(&self) -> Outcome<()> {
        match self.seen().failed {
            0 => Ok(()),
            failed => Err(format!("{failed} instances did not complete").into()),
        }
    }

    /// Waits until so much was committed.
    pub(super) async fn until(&self, reached: impl FnMut(&Seen) -> bool) {
        // The sender lives as long as `self`.
        let _ = self.seen.subscribe().wait_for(reached).await;
    }

    fn note(&self, batch: &[Write], written: &[Written]) {
        let mut new = Seen { commits: 1, ..Seen::default() };
        for (write, written) in batch.iter().zip(written) {
            if let Written::Activities(rows) = written {
                new.taken += rows.len() as u64;
            }
            let (Write::Turn(turn), Written::Done | Written::Committed(_)) = (write, written) else { continue };
            new.turns += 1;
            new.finished += u64::from(turn.status.is_terminal());
            new.failed += u64::from(turn.status.is_terminal() && turn.status != RuntimeStatus::Completed);
            new.parked += u64::from(turn.turn == 1 && !turn.status.is_terminal());
            if let Some(on_turn) = &self.on_turn {
                on_turn(turn);
            }
        }
        self.seen.send_modify(|seen| *seen = seen.plus(new));
    }

    fn checked<T>(&self, result: Result<T, BackendError>) -> Result<T, BackendError> {
        self.errors.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
        result
    }
}

/// A backend whose commits and errors are counted.
pub(super) struct Counted {
    inner: Arc<dyn Backend>,
    counts: Arc<Counts>,
    acknowledged: Option<Acknowledged>,
}

impl Counted {
    pub(super) fn new(inner: Arc<dyn Backend>, counts: Arc<Counts>, acknowledged: Option<Acknowledged>) -> Self {
        Self { inner, counts, acknowledged }
    }
}

#[async_trait]
impl Backend for Counted {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.inner.shared()?;
        Some(self)
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        self.counts.checked(self.inner.attach(name, lease).await)
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.counts.checked(self.inner.detach(worker).await)
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let written = self.counts.checked(self.inner.commit(Arc::clone(&batch)).await)?;
        if let Some(acknowledged) = &self.acknowledged {
            acknowledged.turns(&batch, &written);
        }
        self.counts.note(&batch, &written);
        Ok(written)
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        self.counts.checked(self.inner.ready(worker, after, limit, runs).await)
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        self.counts.checked(self.inner.timers(worker, after, limit).await)
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        self.counts.checked(self.inner.history(key).await)
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        self.counts.checked(self.inner.owned(worker, keys).await)
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        self.counts.checked(self.inner.instance(id).await)
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        self.counts.checked(self.inner.list(filter).await)
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        self.counts.checked(self.inner.count(filter).await)
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        self.counts.checked(self.inner.activities(key).await)
    }
}

impl Counted {
    /// Whoever knows this store as a shared one has asked `shared` before.
    fn inner_shared(&self) -> Result<&dyn SharedBackend, BackendError> {
        let not_shared = || BackendError::new(BackendErrorKind::Other, "the store belongs to one process");
        self.inner.shared().ok_or_else(not_shared)
    }
}

#[async_trait]
impl SharedBackend for Counted {
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError> {
        self.counts.checked(self.inner_shared()?.heartbeat(heartbeat).await)
    }

    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError> {
        self.counts.checked(self.inner_shared()?.unread(after).await)
    }

    async fn notify(&self, notices: Vec<Notice>) {
        if let Ok(shared) = self.inner_shared() {
            shared.notify(notices).await;
        }
    }

    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError> {
        self.counts.checked(self.inner_shared()?.listen(worker).await)
    }
}

#[cfg(test)]
mod tests {
    use durable_core::backend::memory::Memory;

    use super::*;

    #[tokio::test]
    async fn what_the_store_refuses_to_do_is_counted() {
        let counts = Counts::new(None);
        let store = Counted::new(Arc::new(Memory::new()), Arc::clone(&counts), None);
        store.attach("Bench", Duration::from_secs(1)).await.unwrap();
        assert_eq!(counts.errors(), 0);
        let locked = BackendError::new(BackendErrorKind::Unavailable, "database is locked");
        assert!(counts.checked::<()>(Err(locked)).is_err());
        assert_eq!(counts.errors(), 1);
    }

    #[tokio::test]
    async fn a_store_is_as_shared_as_the_one_below() {
        let store = Counted::new(Arc::new(Memory::new()), Counts::new(None), None);
        assert_eq!(store.shared().is_some(), Memory::new().shared().is_some());
    }
}
