//! Histories that are read together with the rows of their instances.

use std::sync::Arc;

use super::Instances;
use crate::backend::{HistoryRow, InstanceKey};
use crate::engine::entry::Phase;
use crate::engine::source::TurnLease;
use crate::history::ExecutionHeader;

impl Instances {
    /// Keeps the history of an instance that is being loaded, until its next turn. False when it is not being loaded any more.
    pub(in crate::engine) fn bring_history(&mut self, key: InstanceKey, history: Option<Vec<HistoryRow>>) -> bool {
        let Some(entry) = self.entries.get_mut(&key).filter(|entry| matches!(entry.phase, Phase::Loading)) else {
            return false;
        };
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
