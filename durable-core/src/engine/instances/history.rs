//! Histories that are read together with the rows of their instances.

use std::sync::Arc;

use super::Instances;
use crate::backend::{HistoryRow, InstanceKey};
use crate::engine::entry::{Entry, Phase};
use crate::engine::source::TurnLease;
use crate::history::ExecutionHeader;

impl Instances {
    /// These instances are being read.
    pub(in crate::engine) fn begin_reading(&mut self, keys: &[InstanceKey]) {
        for key in keys {
            if let Some(entry) = self.entries.get_mut(key) {
                entry.is_read = true;
            }
        }
    }

    /// Keeps the history of an instance that was read, until its next turn. False when what was read is not wanted any more.
    pub(in crate::engine) fn bring_history(&mut self, key: InstanceKey, history: Option<Vec<HistoryRow>>) -> bool {
        let wanted = |entry: &&mut Entry| entry.is_read && matches!(entry.phase, Phase::Loading);
        let Some(entry) = self.entries.get_mut(&key).filter(wanted) else { return false };
        entry.history = history;
        true
    }

    /// The history of the leased instance, once, when it is here.
    pub(in crate::engine) fn take_history(
        &mut self,
        lease: &TurnLease,
    ) -> Option<(Arc<ExecutionHeader>, Vec<HistoryRow>)> {
        let header = Arc::clone(&self.leased(lease)?.0.header);
        let history = self.entries.get_mut(&lease.key)?.history.take()?;
        Some((header, history))
    }
}
