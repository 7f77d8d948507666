//! The tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::orphans::Orphans;
use crate::backend::{
    ActivityRow, CallId, HistoryRow, InboxRow, InstanceKey, InstanceRow, NewActivity, NewTimer, TimerRow, WorkerId,
};
use crate::model::{Payload, Timestamp};

/// Everything that a hub stores.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    pub(super) instances: BTreeMap<InstanceKey, Instance>,
    pub(super) ids: BTreeMap<String, InstanceKey>,
    pub(super) timers: BTreeSet<TimerRow>,
    /// Parents and their children.
    pub(super) children: BTreeSet<(InstanceKey, InstanceKey)>,
    pub(super) orphans: Orphans,
    pub(super) workers: BTreeMap<WorkerId, Worker>,
    /// The store's time, when several workers share it.
    pub(super) time: Option<Timestamp>,
    pub(super) last_key: i64,
    pub(super) last_worker: i64,
}

/// One start of a worker.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// `None` in a store of one process, which has no leases.
    pub(super) lease_until: Option<Timestamp>,
    /// It ended in order.
    pub(super) drained: bool,
    /// Its calls are among the orphans, since it was found dead.
    pub(super) is_swept: bool,
}

/// One instance with the rows that hang on it.
#[derive(Debug, Clone)]
pub(super) struct Instance {
    pub(super) row: InstanceRow,
    pub(super) owner: Option<WorkerId>,
    /// Somebody waits for it at another worker than its owner.
    pub(super) watched: bool,
    pub(super) history: Vec<HistoryRow>,
    pub(super) inbox: BTreeMap<u64, InboxRow>,
    pub(super) activities: BTreeMap<CallId, Activity>,
    pub(super) timers: HashMap<CallId, Timestamp>,
}

/// One call of an activity.
#[derive(Debug, Clone)]
pub(super) struct Activity {
    pub(super) name: String,
    pub(super) input: Payload,
    pub(super) options: Option<String>,
    pub(super) progress: Option<Payload>,
    pub(super) runner: Option<WorkerId>,
    pub(super) claim: i64,
    pub(super) deliveries: u32,
}

impl Tables {
    pub(super) fn by_id(&self, id: &str) -> Option<&Instance> {
        self.instances.get(self.ids.get(id)?)
    }

    pub(super) fn set_timer(&mut self, key: InstanceKey, new: NewTimer) {
        let Some(instance) = self.instances.get_mut(&key) else { return };
        if let Some(fire_at) = instance.timers.insert(new.call, new.fire_at) {
            self.timers.remove(&TimerRow { fire_at, key, call: new.call });
        }
        self.timers.insert(TimerRow { fire_at: new.fire_at, key, call: new.call });
    }
}

impl Instance {
    /// The row of a call as others see it.
    pub(super) fn activity_row(&self, call: CallId, activity: &Activity) -> ActivityRow {
        ActivityRow {
            key: self.row.key,
            instance: self.row.id.clone(),
            execution: self.row.execution.clone(),
            call,
            name: activity.name.clone(),
            input: activity.input.clone(),
            options: activity.options.clone(),
            progress: activity.progress.clone(),
            runner: activity.runner,
            claim: activity.claim,
            deliveries: activity.deliveries,
        }
    }
}

impl Activity {
    pub(super) fn new(new: NewActivity, runner: Option<WorkerId>) -> Self {
        Self {
            name: new.name,
            input: new.input,
            options: new.options,
            progress: None,
            runner,
            claim: new.claim,
            deliveries: 1,
        }
    }
}
