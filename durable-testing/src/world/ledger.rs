//! Every write of a world, in order: what it takes to bring back its store as it stood at any moment.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::memory::Memory;
use durable_core::backend::{
    ActivityRow, Attached, Backend, BackendError, CountRow, HistoryRow, InstanceFilter, InstanceKey, InstanceRow,
    MessageTarget, Owned, RunnableOrchestrators, SharedBackend, TimerRow, WorkerId, Write, Written,
};
use durable_core::model::Timestamp;
use parking_lot::Mutex;

/// What has happened to a store since the ledger begins. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Ledger(Arc<Mutex<Inner>>);

#[derive(Debug, Clone)]
struct Inner {
    /// The store as it stood before the first entry, and when that was.
    base: Memory,
    begun: Timestamp,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
enum Entry {
    Attach(String),
    Detach(WorkerId),
    Commit(Arc<Vec<Write>>),
}

/// A place in a ledger: just behind a write.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    entry: usize,
    writes: usize,
    /// The time of the last thing that has happened.
    pub(super) time: Timestamp,
}

impl Place {
    /// Behind everything.
    pub(super) const END: Self = Self { entry: usize::MAX, writes: 0, time: Timestamp::UNIX_EPOCH };

    /// The same at another time: nothing has happened in between.
    pub(super) const fn seen_at(self, time: Timestamp) -> Self {
        Self { time, ..self }
    }
}

impl Ledger {
    /// A ledger that begins with a store, of which it takes a copy.
    pub(super) fn new(store: &Memory, now: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(Inner { base: store.fork(), begun: now, entries: Vec::new() })))
    }

    /// A copy that goes its own way from here.
    pub(super) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// The first place at which `reached` is true: it is asked after each write, with the store as that leaves it.
    pub(super) fn find(&self, mut reached: impl FnMut(&Memory, &Write) -> bool) -> Option<Place> {
        let Inner { base, begun, entries } = self.0.lock().clone();
        let store = base.fork();
        let mut time = begun;
        for (entry, what) in entries.iter().enumerate() {
            let Entry::Commit(batch) = what else {
                what.apply(&store);
                continue;
            };
            for (at, write) in batch.iter().enumerate() {
                now(store.commit(Arc::new(vec![write.clone()])));
                time = time_of(write).unwrap_or(time).max(time);
                if reached(&store, write) {
                    return Some(Place { entry, writes: at + 1, time });
                }
            }
        }
        None
    }

    /// The place behind everything that has happened up to a time; `None` when it begins later.
    pub(super) fn at(&self, time: Timestamp) -> Option<Place> {
        let Inner { begun, entries, .. } = &*self.0.lock();
        if *begun > time {
            return None;
        }
        let mut place = Place { entry: 0, writes: 0, time: *begun };
        for (entry, what) in entries.iter().enumerate() {
            let Entry::Commit(batch) = what else { continue };
            let end = batch.iter().filter_map(time_of).fold(place.time, Timestamp::max);
            if end > time {
                break;
            }
            place = Place { entry, writes: batch.len(), time: end };
        }
        Some(place)
    }

    /// The part up to a place, as if these instances had never had a turn.
    pub(super) fn until(&self, place: Place, unrun: &BTreeSet<InstanceKey>) -> Self {
        let Inner { base, begun, entries } = self.0.lock().clone();
        let last = entries.get(place.entry).map(|entry| match entry {
            Entry::Commit(batch) => Entry::Commit(Arc::new(batch[..place.writes.min(batch.len())].to_vec())),
            other => other.clone(),
        });
        let mut entries: Vec<_> = entries.into_iter().take(place.entry).chain(last).collect();
        for entry in &mut entries {
            if let Entry::Commit(batch) = entry
                && batch.iter().any(|write| is_of_a_turn(write, unrun))
            {
                let rest = batch.iter().filter(|write| !is_of_a_turn(write, unrun));
                *batch = Arc::new(rest.cloned().collect());
            }
        }
        Self(Arc::new(Mutex::new(Inner { base: base.fork(), begun, entries })))
    }

    /// The store as it stands at the end. Its worker counts as drained: what follows is no crash.
    pub(super) fn store(&self) -> Memory {
        let Inner { base, entries, .. } = self.0.lock().clone();
        let store = base.fork();
        entries.iter().for_each(|entry| entry.apply(&store));
        self.drain(&store);
        store
    }

    /// Has the worker of a copy of the store count as drained.
    pub(super) fn drain(&self, copy: &Memory) {
        let name = "a copy".to_owned();
        let next = now(copy.attach(&name, Duration::ZERO)).worker;
        let mut entries = vec![Entry::Attach(name)];
        for worker in [WorkerId(next.0 - 1), next] {
            now(copy.detach(worker));
            entries.push(Entry::Detach(worker));
        }
        self.0.lock().entries.extend(entries);
    }

    /// Every batch of writes, in order.
    pub(super) fn each_commit(&self, mut look: impl FnMut(&[Write])) {
        for entry in &self.0.lock().entries {
            if let Entry::Commit(batch) = entry {
                look(batch);
            }
        }
    }

    fn note(&self, entry: Entry) {
        self.0.lock().entries.push(entry);
    }
}

impl Entry {
    fn apply(&self, store: &Memory) {
        match self {
            Self::Attach(name) => drop(now(store.attach(name, Duration::ZERO))),
            Self::Detach(worker) => now(store.detach(*worker)),
            Self::Commit(batch) => drop(now(store.commit(Arc::clone(batch)))),
        }
    }
}

/// When a write was made, as far as it says so.
fn time_of(write: &Write) -> Option<Timestamp> {
    match write {
        Write::Create(create) => Some(create.now),
        Write::Turn(turn) => Some(turn.turn_time),
        Write::Message(message) => Some(message.time),
        Write::Rewind(rewinds) => rewinds.iter().map(|rewind| rewind.now).max(),
        _ => None,
    }
}

/// True for what would not be there if one of these instances had not run.
fn is_of_a_turn(write: &Write, instances: &BTreeSet<InstanceKey>) -> bool {
    match write {
        Write::Turn(turn) => instances.contains(&turn.key),
        Write::Message(message) => {
            matches!(&message.to, MessageTarget::Execution(key, _) if instances.contains(key))
        }
        _ => false,
    }
}

/// What a store in memory answers. It does so at once.
pub(super) fn now<T>(answer: impl Future<Output = Result<T, BackendError>>) -> T {
    match pin!(answer).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(Ok(answer)) => answer,
        other => unreachable!("a store in memory answers at once, and does not fail: {:?}", other.map_ok(|_| ())),
    }
}

/// A store in memory whose writes are noted.
pub(super) struct Noted {
    store: Memory,
    ledger: Ledger,
}

impl Noted {
    pub(super) fn new(store: Memory, ledger: Ledger) -> Self {
        Self { store, ledger }
    }
}

#[async_trait]
impl Backend for Noted {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.store.shared()
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        self.ledger.note(Entry::Attach(name.to_owned()));
        self.store.attach(name, lease).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.ledger.note(Entry::Detach(worker));
        self.store.detach(worker).await
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        self.ledger.note(Entry::Commit(Arc::clone(&batch)));
        self.store.commit(batch).await
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        self.store.ready(worker, after, limit, runs).await
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        self.store.timers(worker, after, limit).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        self.store.history(key).await
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        self.store.owned(worker, keys).await
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        self.store.instance(id).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        self.store.list(filter).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        self.store.count(filter).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        self.store.activities(key).await
    }
}
