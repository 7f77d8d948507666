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
