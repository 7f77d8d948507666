//! Bringing instances back into memory, in a store of one process.
//!
//! Such an instance is nearly always ours still, and then nothing is written: it is read. Many are read at once, those first to
//! which something happened first, and no more than can soon run.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::local::LocalEngine;
use crate::backend::{Claimed, InstanceKey, Owned};

/// The most instances that are read at once.
const PAGE: usize = 256;

/// Nothing is read while so many wait for their turns: those in memory are large, and those that are not run as soon.
const ENOUGH: usize = 4 * PAGE;

/// Instances that are being loaded and have not been read yet.
#[derive(Debug, Default)]
pub(super) struct Loads {
    waiting: Mutex<VecDeque<InstanceKey>>,
    changed: Notify,
    /// Too many wait for their turns.
    is_full: AtomicBool,
}

impl Loads {
    /// An instance is to be read.
    pub(super) fn add(&self, key: InstanceKey) {
        self.waiting.lock().push_back(key);
        if !self.is_full.load(Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }

    /// A turn was taken, and so many are left.
    pub(super) fn taken(&self, ready: usize) {
        if self.is_full.load(Ordering::SeqCst) && ready < ENOUGH / 2 && self.is_full.swap(false, Ordering::SeqCst) {
            self.changed.notify_one();
        }
    }

    fn next(&self) -> Vec<InstanceKey> {
        let mut waiting = self.waiting.lock();
        let count = waiting.len().min(PAGE);
        waiting.drain(..count).collect()
    }
}

/// Reads instances that are wanted in memory, until the engine is closed.
pub(super) async fn bring_back(engine: LocalEngine) {
    let inner = &engine.inner;
    while !inner.closed.is_cancelled() {
        // Said before the look, so that a turn that is taken after it knocks.
        inner.loads.is_full.store(true, Ordering::SeqCst);
        let is_full = inner.instances.lock().ready() >= ENOUGH;
        let keys = if is_full {
            Vec::new()
        } else {
            inner.loads.is_full.store(false, Ordering::SeqCst);
            inner.loads.next()
        };
        if keys.is_empty() {
            tokio::select! {
                () = inner.loads.changed.notified() => {}
                () = inner.closed.cancelled() => return,
            }
        } else {
            engine.read_owned(keys).await;
        }
    }
}

impl LocalEngine {
    /// Takes in what is ours, and claims the rest.
    async fn read_owned(&self, keys: Vec<InstanceKey>) {
        let inner = &self.inner;
        let Ok(backend) = inner.backend() else { return };
        inner.instances.lock().begin_reading(&keys);
        let found = backend.owned(inner.worker(), keys.clone()).await;
        drop(backend);
        let found = found.unwrap_or_else(|error| {
            tracing::debug!(%error, "the store does not give instances, claiming them");
            Vec::new()
        });
        let mut claimed = Vec::with_capacity(found.len());
        let mut instances = inner.instances.lock();
        for Owned { instance, inbox, history } in found {
            let is_wanted = instances.bring_history(instance.key, history);
            claimed.push((is_wanted, Claimed { instance, inbox, timers: None, owner_lost: false }));
        }
        drop(instances);
        let rest = left_out(keys, claimed.iter().map(|(_, claimed)| claimed.instance.key));
        claimed.into_iter().filter(|(is_wanted, _)| *is_wanted).for_each(|(_, claimed)| self.loaded(claimed));
        rest.into_iter().for_each(|key| self.claim(key));
    }
}

/// The keys that are not among the others.
fn left_out(mut keys: Vec<InstanceKey>, found: impl ExactSizeIterator<Item = InstanceKey>) -> Vec<InstanceKey> {
    if found.len() == keys.len() {
        return Vec::new();
    }
    let found: std::collections::HashSet<_> = found.collect();
    keys.retain(|key| !found.contains(key));
    keys
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, poll};

    use super::*;

    #[test]
    fn what_was_wanted_first_is_read_first_and_not_all_at_once() {
        let loads = Loads::default();
        let keys: Vec<_> = (0..PAGE as i64 + 7).rev().map(InstanceKey).collect();
        keys.iter().for_each(|key| loads.add(*key));
        let (first, rest) = (loads.next(), loads.next());
        assert_eq!((first.len(), rest.len()), (PAGE, 7));
        assert_eq!([first, rest].concat(), keys);
        assert!(loads.next().is_empty());
    }

    #[tokio::test]
    async fn turns_that_are_taken_make_room() {
        let loads = Loads::default();
        loads.is_full.store(true, Ordering::SeqCst);
        let mut changed = Box::pin(loads.changed.notified());
        loads.add(InstanceKey(1));
        loads.taken(ENOUGH / 2);
        assert!(poll!(&mut changed).is_pending(), "there are enough still");
        loads.taken(ENOUGH / 2 - 1);
        assert!(changed.now_or_never().is_some());
        loads.taken(0);
        assert!(loads.changed.notified().now_or_never().is_none(), "nobody waits for room");
        loads.add(InstanceKey(2));
        assert!(loads.changed.notified().now_or_never().is_some());
    }

    #[test]
    fn what_was_not_found_is_left_in_order() {
        let keys = [5, 3, 4, 1].map(InstanceKey).to_vec();
        assert_eq!(left_out(keys.clone(), [3, 1].map(InstanceKey).into_iter()), [5, 4].map(InstanceKey));
        assert!(left_out(keys.clone(), keys.into_iter()).is_empty());
    }
}
