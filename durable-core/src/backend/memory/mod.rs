//! The reference backend: everything in memory.
//!
//! It keeps nothing beyond the process, and is otherwise a complete store: hubs that are started one after the other on
//! clones of the same [`Memory`] find each other's instances, as after a crash.

mod claim;
mod commit;
mod create;
mod message;
mod next;
mod purge;
mod query;
mod reach;
mod rewind;
mod schema;
mod turn;

use std::sync::Arc;

use async_trait::async_trait;
use parking_lot::Mutex;

use self::schema::Tables;
use super::{
    ActivityRow, Backend, BackendError, CountRow, HistoryRow, InstanceFilter, InstanceKey, InstanceRow, TimerRow,
    WorkerId, Write, Written,
};

/// A task hub in memory. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Memory {
    tables: Arc<Mutex<Tables>>,
}

impl Memory {
    /// An empty task hub.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A copy that goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self { tables: Arc::new(Mutex::new(self.tables.lock().clone())) }
    }
}

#[async_trait]
impl Backend for Memory {
    async fn attach(&self, _name: &str) -> Result<WorkerId, BackendError> {
        Ok(self.tables.lock().attach())
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.tables.lock().drained.insert(worker);
        Ok(())
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let mut tables = self.tables.lock();
        Ok(batch.iter().map(|write| tables.apply(write.clone())).collect())
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        Ok(self.tables.lock().ready(worker, after, limit))
    }

    async fn timers(&self, after: Option<TimerRow>, limit: usize) -> Result<Vec<TimerRow>, BackendError> {
        Ok(self.tables.lock().timers_after(after, limit))
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        Ok(self.tables.lock().history(key))
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        Ok(self.tables.lock().by_id(id).map(|instance| instance.row.clone()))
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        Ok(self.tables.lock().list(&filter))
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        Ok(self.tables.lock().count(&filter))
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        Ok(self.tables.lock().activities(key))
    }
}
