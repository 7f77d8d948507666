//! Futures that work for the code in the background, such as the next attempts of a retried call.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::task::Waker;

use super::leaf::{DriverId, LeafId, Resolution};
use super::waker::{DriverWaker, RootWaker};
use crate::BoxFuture;

/// A future that makes durable calls of its own and resolves a leaf of the code.
pub(super) type Driver = BoxFuture<'static, Resolution>;

/// The drivers of one execution.
pub(super) struct Drivers {
    root: Arc<RootWaker>,
    slots: BTreeMap<DriverId, Slot>,
    next: u64,
}

struct Slot {
    /// Away while it is being polled.
    future: Option<Driver>,
    waker: Waker,
    leaf: LeafId,
    is_new: bool,
}

/// A driver that is about to be polled.
pub(super) struct Turn {
    pub(super) future: Driver,
    pub(super) waker: Waker,
    /// It has not been polled before.
    pub(super) is_new: bool,
}

impl Drivers {
    pub(super) fn new(root: Arc<RootWaker>) -> Self {
        Self { root, slots: BTreeMap::new(), next: 0 }
    }

    /// The number that the next driver gets.
    pub(super) fn next_id(&self) -> DriverId {
        DriverId(self.next)
    }

    /// Takes a driver in. It is polled before the code runs again.
    pub(super) fn add(&mut self, future: Driver, leaf: LeafId) {
        let id = self.next_id();
        self.next += 1;
        let waker = Waker::from(Arc::new(DriverWaker { root: Arc::clone(&self.root), driver: id }));
        self.slots.insert(id, Slot { future: Some(future), waker, leaf, is_new: true });
        self.root.note(Some(id));
    }

    /// Takes a driver out for a poll.
    pub(super) fn begin(&mut self, id: DriverId) -> Option<Turn> {
        let slot = self.slots.get_mut(&id)?;
        let is_new = std::mem::take(&mut slot.is_new);
        Some(Turn { future: slot.future.take()?, waker: slot.waker.clone(), is_new })
    }

    /// Puts a driver back that is not done. One that was given up meanwhile comes back, to be dropped.
    pub(super) fn park(&mut self, id: DriverId, future: Driver) -> Option<Driver> {
        match self.slots.get_mut(&id) {
            Some(slot) => slot.future.replace(future),
            None => Some(future),
        }
    }

    /// A driver is done; gives back whose leaf it resolves.
    pub(super) fn finish(&mut self, id: DriverId) -> Option<LeafId> {
        self.slots.remove(&id).map(|slot| slot.leaf)
    }

    /// Nobody waits for a driver any more.
    pub(super) fn give_up(&mut self, id: DriverId) -> Option<Driver> {
        self.slots.remove(&id)?.future
    }

    /// Takes all of them, when the execution goes away.
    pub(super) fn take_all(&mut self) -> Vec<Driver> {
        std::mem::take(&mut self.slots).into_values().filter_map(|slot| slot.future).collect()
    }
}

impl fmt::Debug for Drivers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drivers").field("open", &self.slots.len()).finish_non_exhaustive()
    }
}
