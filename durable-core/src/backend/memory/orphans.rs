//! Calls without a living runner.

use std::collections::BTreeSet;

use crate::backend::{CallId, InstanceKey};
use crate::model::TaskId;

/// A set of calls, in the order in which they are taken: the first calls of all instances come before their later ones, so that
/// an instance with very many of them keeps nobody waiting.
#[derive(Debug, Clone, Default)]
pub(super) struct Orphans(BTreeSet<(TaskId, InstanceKey, CallId)>);

impl Orphans {
    pub(super) fn insert(&mut self, (key, call): (InstanceKey, CallId)) {
        self.0.insert((call.task(), key, call));
    }

    pub(super) fn remove(&mut self, (key, call): &(InstanceKey, CallId)) -> bool {
        self.0.remove(&(call.task(), *key, *call))
    }

    pub(super) fn retain(&mut self, mut keep: impl FnMut(InstanceKey, CallId) -> bool) {
        self.0.retain(|(_, key, call)| keep(*key, *call));
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (InstanceKey, CallId)> {
        self.0.iter().map(|(_, key, call)| (*key, *call))
    }
}

impl Extend<(InstanceKey, CallId)> for Orphans {
    fn extend<T: IntoIterator<Item = (InstanceKey, CallId)>>(&mut self, calls: T) {
        calls.into_iter().for_each(|call| self.insert(call));
    }
}

impl FromIterator<(InstanceKey, CallId)> for Orphans {
    fn from_iter<T: IntoIterator<Item = (InstanceKey, CallId)>>(calls: T) -> Self {
        let mut orphans = Self::default();
        orphans.extend(calls);
        orphans
    }
}
