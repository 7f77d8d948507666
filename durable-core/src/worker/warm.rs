//! Orchestrators that stay in memory between their turns.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::history::ExecutionHeader;
use crate::model::InstanceId;
use crate::replay::Executor;

/// The executors that were used last, and how often stalled instances were tried.
pub(super) struct WarmExecutors {
    executors: Mutex<LruCache<InstanceId, (u64, Box<Executor>)>>,
    stalls: Mutex<LruCache<InstanceId, u32>>,
}

impl WarmExecutors {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self { executors: Mutex::new(LruCache::new(capacity)), stalls: Mutex::new(LruCache::new(capacity)) }
    }

    /// The executor of this execution, if it is here from the same ownership and stands at `turn`.
    pub(super) fn take(&self, header: &ExecutionHeader, epoch: u64, turn: u64) -> Option<Box<Executor>> {
        let (kept_epoch, executor) = self.executors.lock().pop(&header.instance)?;
        let same = executor.header().instance == header.instance && executor.header().execution == header.execution;
        (same && kept_epoch == epoch && executor.turn() == turn).then_some(executor)
    }

    /// Keeps an executor; the one that has rested longest goes when there are too many.
    pub(super) fn keep(&self, epoch: u64, executor: Box<Executor>) {
        let evicted = self.executors.lock().push(executor.header().instance.clone(), (epoch, executor));
        // Dropped without the lock: dropping a future runs the destructors of user code.
        drop(evicted);
    }

    /// Drops the executor of a turn that did not happen.
    pub(super) fn discard(&self, header: &ExecutionHeader, epoch: u64, turn: u64) {
        drop(self.take(header, epoch, turn));
    }

    /// How long to wait before a stalled instance is tried again.
    pub(super) fn next_pause(&self, instance: &InstanceId, (first, longest): (Duration, Duration)) -> Duration {
        let mut stalls = self.stalls.lock();
        let tried = stalls.get_or_insert_mut(instance.clone(), || 0);
        let pause = first.saturating_mul(1 << (*tried).min(20)).min(longest);
        *tried += 1;
        pause
    }

    /// The instance runs again.
    pub(super) fn went_on(&self, instance: &InstanceId) {
        let mut stalls = self.stalls.lock();
        if !stalls.is_empty() {
            stalls.pop(instance);
        }
    }
}

impl fmt::Debug for WarmExecutors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WarmExecutors").field("executors", &self.executors.lock().len()).finish_non_exhaustive()
    }
}
