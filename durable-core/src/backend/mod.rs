//! Where instances are kept: rows, not meanings.
//!
//! A [`Backend`] stores what the engine tells it to, atomically and in batches. It knows tables, keys and fences; it does
//! not know what an event means. The in-memory one is the reference; `durable_testing::conformance` checks any other
//! against the same rules.

mod error;
pub mod memory;
#[cfg(feature = "postgres")]
pub mod postgres;
mod rows;
mod shared;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod write;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::BoxFuture;

pub use self::error::{BackendError, BackendErrorKind};
pub use self::rows::{
    ActivityRow, Attached, CallId, CountRow, HistoryRow, InboxRow, InstanceFilter, InstanceKey, InstanceRow, NewEvent,
    Owned, TimerRow, WorkerId,
};
pub use self::shared::{
    Heartbeat, Notice, NoticeSender, Notices, Pulse, Runnable, RunnableActivities, RunnableOrchestrators,
    SharedBackend, Unread,
};
pub use self::write::{
    Arrived, Claimed, Committed, Completes, CreateInstance, Gone, HeldCall, MessageTarget, NewActivity, NewChild,
    NewMessage, NewTimer, NextExecution, OutgoingMessage, Recipient, Release, RewindCommit, Started, TurnCommit, Write,
    Written,
};

/// A store of one task hub.
///
/// Every method is atomic and, where it changes something, durable when it returns. Implementations do not poll, and do
/// not retry: an error of a [`commit`](Self::commit) leaves open whether it happened, and the engine asks again.
///
/// A store either belongs to one process, or several workers share it. In the first case a worker that attaches is the
/// only one that lives. In the second one a worker lives until it is detached or its lease ends; see [`SharedBackend`].
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// What the store does for several workers at the same time; `None` when it belongs to one process. The answer is always
    /// the same. A store that passes everything on to another must pass this on too.
    fn shared(&self) -> Option<&dyn SharedBackend>;

    /// Registers a new worker, which owns nothing yet and lives for `lease` by the store's time. A store that belongs to one
    /// process has no leases: all earlier workers are dead, and whatever they owned may be claimed by this one.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError>;

    /// Ends a worker that was drained: whatever it owns or runs may be taken at once, which does not count as a crash.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError>;

    /// Carries out a batch of writes in order, all in one transaction, and says what became of each. A write that is
    /// refused, by its fence or by the state of its instance, changes nothing and does not keep the others from happening.
    ///
    /// # Errors
    ///
    /// Whether the batch happened is unknown, unless the error [says](BackendError::is_unapplied) that it did not. Repeating a
    /// [`Write::Turn`] is safe.
    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError>;

    /// The keys of the instances that [`Write::ClaimReady`] would take, for a look without taking them. At most `limit`, with
    /// keys above `after`, ascending. A store that belongs to one process does not ask what the worker can run.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError>;

    /// Timers that are due after the given one, in the order of their due times, then keys, then ids. At most `limit`. Timers
    /// of instances that another living worker owns are not among them.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError>;

    /// The history of an instance's current execution, in order.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError>;

    /// Reads unfinished instances that `worker` owns, in any order, to bring them back into memory without a write: what a
    /// [`Write::Claim`] of each would find, with its history at the same moment. Whatever it leaves out is claimed instead, so a
    /// store in which a claim costs no more than this gives none.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn owned(&self, _worker: WorkerId, _keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        Ok(Vec::new())
    }

    /// One instance by id.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError>;

    /// One page of instances, ordered by id.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError>;

    /// How many instances there are, by name, version and status, whatever the order; the filter's `after_id` and `limit` do
    /// not count. Names are the same without regard to ASCII case.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError>;

    /// The calls of an instance whose results no turn has consumed, in the order of their ids.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError>;
}

/// A backend that is held by several is a backend.
#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        (**self).shared()
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        (**self).attach(name, lease).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        (**self).detach(worker).await
    }

    // As the macro would write it, without a future around the future: this one is made for each commit.
    fn commit<'a, 'b>(&'a self, batch: Arc<Vec<Write>>) -> BoxFuture<'b, Result<Vec<Written>, BackendError>>
    where
        'a: 'b,
        Self: 'b,
    {
        (**self).commit(batch)
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        (**self).ready(worker, after, limit, runs).await
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        (**self).timers(worker, after, limit).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        (**self).history(key).await
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        (**self).owned(worker, keys).await
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        (**self).instance(id).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        (**self).list(filter).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        (**self).count(filter).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        (**self).activities(key).await
    }
}
