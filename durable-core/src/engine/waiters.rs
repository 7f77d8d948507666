//! Clients that wait for the end of an instance.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

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
        Waiting { waiters: Arc::clone(self), id: id.clone(), notify }
    }

    /// The instance is finished.
    pub(super) fn finished(&self, id: &InstanceId) {
        if let Some(notify) = self.by_instance.lock().get(id) {
            notify.notify_waiters();
        }
    }

    /// The engine closes.
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
    pub(super) notify: Arc<Notify>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = self.waiters.by_instance.lock();
        // The map and this guard hold the last two references.
        if Arc::strong_count(&self.notify) <= 2 {
            waits.remove(&self.id);
        }
    }
}
