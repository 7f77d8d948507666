//! Where instances are kept: rows, not meanings.
//!
//! A [`Backend`] stores what the engine tells it to, atomically and in batches. It knows tables, keys and fences; it does
//! not know what an event means. The in-memory one is the reference; `durable_testing::conformance` checks any other
//! against the same rules.

mod error;
pub mod memory;
mod rows;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod write;

use std::sync::Arc;

use async_trait::async_trait;

pub use self::error::{BackendError, BackendErrorKind};
pub use self::rows::{
    ActivityRow, CallId, CountRow, HistoryRow, InboxRow, InstanceFilter, InstanceKey, InstanceRow, NewEvent, TimerRow,
    WorkerId,
};
pub use self::write::{
    Arrived, Claimed, Committed, Completes, CreateInstance, MessageTarget, NewActivity, NewChild, NewMessage, NewTimer,
    NextExecution, OutgoingMessage, Recipient, RewindCommit, Started, TurnCommit, Write, Written,
};

/// A store of one task hub.
///
/// Every method is atomic and, where it changes something, durable when it returns. Implementations do not poll, and do
/// not retry: an error of a [`commit`](Self::commit) leaves open whether it happened, and the engine asks again.
#[async_trait]
pub trait Backend: Send + Sync + 'static {
    /// Registers a new worker, which owns nothing yet. Whatever dead workers owned may be claimed by it.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn attach(&self, name: &str) -> Result<WorkerId, BackendError>;

    /// Ends a worker that was drained. Taking its instances and calls over does not count as a crash.
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
    /// Whether the batch happened is unknown. Repeating a [`Write::Turn`] is safe.
    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError>;

    /// The keys of instances that have something to do and that `worker` does not own: they were never run and have no time
    /// to start at, have continued as new and not run since then, or have unread messages. At most `limit`, with keys above `after`, ascending.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn ready(&self, worker: WorkerId, after: InstanceKey, limit: usize)
    -> Result<Vec<InstanceKey>, BackendError>;

    /// Timers that are due after the given one, in the order of their due times, then keys, then ids. At most `limit`.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn timers(&self, after: Option<TimerRow>, limit: usize) -> Result<Vec<TimerRow>, BackendError>;

    /// The history of an instance's current execution, in order.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError>;

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

/// A shared backend is a backend.
#[async_trait]
impl<B: Backend + ?Sized> Backend for Arc<B> {
    async fn attach(&self, name: &str) -> Result<WorkerId, BackendError> {
        (**self).attach(name).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        (**self).detach(worker).await
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        (**self).commit(batch).await
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        (**self).ready(worker, after, limit).await
    }

    async fn timers(&self, after: Option<TimerRow>, limit: usize) -> Result<Vec<TimerRow>, BackendError> {
        (**self).timers(after, limit).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        (**self).history(key).await
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
