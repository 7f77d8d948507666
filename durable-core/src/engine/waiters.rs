//! Clients that wait for an instance.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;

use crate::model::InstanceId;

/// Who waits for whom. An instance that nobody waits for takes no room.
#[derive(Debug, Default)]
pub(super) struct Waiters {
    by_instance: Mutex<HashMap<InstanceId, Arc<Notify>>>,
}

impl Waiters {
    /// Registers a wait. What happens after this is not missed.
    pub(super) fn register(self: &Arc<Self>, id: &InstanceId) -> Waiting {
        let notify = Arc::clone(self.by_instance.lock().entry(id.clone()).or_default());
        Waiting { waiters: Arc::clone(self), id: id.clone(), notify: Some(notify) }
    }

    /// The instance has had its first turn, or its last one.
    pub(super) fn changed(&self, id: &InstanceId) {
        if let Some(notify) = self.by_instance.lock().get(id) {
            notify.notify_waiters();
        }
    }

    /// True when somebody waits for the instance.
    pub(super) fn wait_for(&self, id: &InstanceId) -> bool {
        self.by_instance.lock().contains_key(id)
    }

    /// Some of those who are waited for, in any order.
    pub(super) fn some(&self, skip: usize, limit: usize) -> Vec<String> {
        let waits = self.by_instance.lock();
        waits.keys().skip(skip).take(limit).map(|id| id.as_str().to_owned()).collect()
    }

    /// The engine closes, or may have missed something.
    pub(super) fn all(&self) {
        for notify in self.by_instance.lock().values() {
            notify.notify_waiters();
        }
    }
}

/// A registered wait.
#[derive(Debug)]
pub(super) struct Waiting {
    waiters: Arc<Waiters>,
    id: InstanceId,
    notify: Option<Arc<Notify>>,
}

impl Waiting {
    /// Completes when the instance has changed, or the engine closes.
    pub(super) fn notified(&self) -> OwnedNotified {
        self.notify.clone().unwrap_or_default().notified_owned()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.waiters.by_instance.lock();
        // Given up under the lock, so that of two guards that go at once the second one sees the last reference.
        self.notify.take();
        if waits.get(&self.id).is_some_and(|notify| Arc::strong_count(notify) == 1) {
            waits.remove(&self.id);
        }
    }
}
