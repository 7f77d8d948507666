//! Orchestrators that stay in memory between their turns.

use std::fmt;
use std::num::NonZeroUsize;
use std::time::Duration;

use lru::LruCache;
use parking_lot::Mutex;

use crate::engine::TurnWork;
use crate::model::InstanceId;
use crate::model::numbers::NumberHash;
use crate::replay::Executor;

/// The executors that were used last, by the numbers of their instances, and how often stalled instances were tried.
pub(super) struct WarmExecutors {
    executors: Mutex<LruCache<i64, (u64, Box<Executor>), NumberHash>>,
    stalls: Mutex<LruCache<InstanceId, u32>>,
}

impl WarmExecutors {
    pub(super) fn new(capacity: usize) -> Self {
        let capacity = NonZeroUsize::new(capacity).unwrap_or(NonZeroUsize::MIN);
        Self {
            executors: Mutex::new(LruCache::with_hasher(capacity, NumberHash::default())),
            stalls: Mutex::new(LruCache::new(capacity)),
        }
    }

    /// The executor of this execution, if it is here from the same ownership and stands before this turn.
    pub(super) fn take(&self, work: &TurnWork) -> Option<Box<Executor>> {
        let (epoch, executor) = self.executors.lock().pop(&work.lease.number())?;
        let same = executor.header().execution == work.header.execution;
        (same && epoch == work.epoch && executor.turn() == work.prior_turn).then_some(executor)
    }

    /// Keeps an executor; the one that has rested longest goes when there are too many.
    pub(super) fn keep(&self, number: i64, epoch: u64, executor: Box<Executor>) {
        let evicted = self.executors.lock().push(number, (epoch, executor));
        // Dropped without the lock: dropping a future runs the destructors of user code.
        drop(evicted);
    }

    /// Removes the executor of a turn that did not happen, unless a later one is here. Dropping it runs user code.
    pub(super) fn remove(&self, number: i64, epoch: u64, turn: u64) -> Option<Box<Executor>> {
        let mut executors = self.executors.lock();
        let is_it = executors.peek(&number).is_some_and(|(kept, executor)| *kept == epoch && executor.turn() == turn);
        if is_it { executors.pop(&number).map(|(_, executor)| executor) } else { None }
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
