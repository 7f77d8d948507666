//! The reference backend: everything in memory.
//!
//! It keeps nothing beyond the process, and is otherwise a complete store: hubs that are started one after the other on
//! clones of the same [`Memory`] find each other's instances, as after a crash, and hubs on clones of a shared one work
//! together.

mod claim;
mod commit;
mod create;
mod message;
mod next;
mod orphans;
mod purge;
mod query;
mod reach;
mod rewind;
mod schema;
mod turn;
mod workers;

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, MutexGuard};

use self::schema::Tables;
use super::{
    ActivityRow, Attached, Backend, BackendError, CountRow, Heartbeat, HistoryRow, InstanceFilter, InstanceKey,
    InstanceRow, Notice, NoticeSender, Notices, Owned, Pulse, RunnableOrchestrators, SharedBackend, TimerRow, Unread,
    WorkerId, Write, Written,
};
use crate::model::Timestamp;

/// A task hub in memory. Clones share it.
///
/// As [`new`](Self::new) makes it, it belongs to one hub at a time, and each that starts on it takes over from the one before.
/// As [`shared`](Self::shared) makes it, any number of hubs in this process work on it together, each on a clone.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    tables: Arc<Mutex<Tables>>,
    sharing: Option<Arc<Sharing>>,
}

/// What hubs have in common.
struct Sharing {
    time: Box<dyn Fn() -> Timestamp + Send + Sync>,
    listeners: Mutex<HashMap<WorkerId, NoticeSender>>,
}

impl Memory {
    /// An empty task hub.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty task hub that several hubs use at the same time, as they would use a database. Its time is that of the system.
    #[must_use]
    pub fn shared() -> Self {
        Self::shared_at(Timestamp::system_now)
    }

    /// The same with a time of its own, by which leases end and timers come due.
    pub fn shared_at(time: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let sharing = Sharing { time: Box::new(time), listeners: Mutex::default() };
        Self { tables: Arc::default(), sharing: Some(Arc::new(sharing)) }
    }

    /// A copy that goes its own way from here. Nobody listens to it yet.
    #[must_use]
    pub fn fork(&self) -> Self {
        // The time stays common.
        let sharing = self.sharing.as_ref().map(|sharing| {
            let (time, listeners) = (Arc::clone(sharing), Mutex::default());
            Arc::new(Sharing { time: Box::new(move || (time.time)()), listeners })
        });
        Self { tables: Arc::new(Mutex::new(self.lock().clone())), sharing }
    }

    /// The tables as they stand at this moment.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        let mut tables = self.tables.lock();
        if let Some(sharing) = &self.sharing {
            tables.time = Some((sharing.time)());
        }
        tables
    }
}

#[async_trait]
impl Backend for Memory {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.sharing.as_deref().map(|_| self as &dyn SharedBackend)
    }

    async fn attach(&self, _name: &str, lease: Duration) -> Result<Attached, BackendError> {
        let mut tables = self.lock();
        Ok(Attached { worker: tables.attach(lease), now: tables.time })
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.lock().detach(worker);
        Ok(())
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let mut tables = self.lock();
        Ok(batch.iter().map(|write| tables.apply(write)).collect())
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        Ok(self.lock().ready(worker, after, limit, &runs))
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        Ok(self.lock().timers_after(worker, after, limit))
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        Ok(self.lock().history(key))
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        Ok(self.lock().owned(worker, &keys))
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        Ok(self.lock().by_id(id).map(|instance| instance.row.clone()))
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        Ok(self.lock().list(&filter))
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        Ok(self.lock().count(&filter))
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        Ok(self.lock().activities(key))
    }
}

#[async_trait]
impl SharedBackend for Memory {
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError> {
        Ok(self.lock().heartbeat(&heartbeat))
    }

    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError> {
        Ok(self.lock().unread(after))
    }

    async fn notify(&self, notices: Vec<Notice>) {
        let Some(sharing) = &self.sharing else { return };
        let mut listeners = sharing.listeners.lock();
        for notice in notices {
            match notice {
                Notice::Messages(to, _) | Notice::Gone(to, _) => {
                    if listeners.get(&to).is_some_and(|listener| !listener.send(notice)) {
                        listeners.remove(&to);
                    }
                }
                for_all => listeners.retain(|_, listener| listener.send(for_all.clone())),
            }
        }
    }

    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError> {
        let (sender, notices) = Notices::channel();
        if let Some(sharing) = &self.sharing {
            sharing.listeners.lock().insert(worker, sender);
        }
        Ok(notices)
    }
}

impl fmt::Debug for Sharing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sharing").field("listeners", &self.listeners.lock().keys()).finish_non_exhaustive()
    }
}
