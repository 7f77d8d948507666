//! Creating instances.

use std::collections::{BTreeMap, HashMap};

use super::schema::{Instance, Tables};
use crate::backend::{CallId, CreateInstance, Gone, InstanceKey, InstanceRow, Started, TimerRow, Written};
use crate::model::{RuntimeStatus, Timestamp};

impl Tables {
    pub(super) fn create(&mut self, create: CreateInstance) -> Written {
        let mut epoch = 1;
        let mut replaced = None;
        let mut is_watched = false;
        if let Some(Instance { row, owner, watched, .. }) = self.by_id(&create.id) {
            // Whatever a child may replace, the instance that starts it goes on.
            if create.parent == Some(row.key) {
                return Written::Exists { status: row.status };
            }
            if row.execution == create.execution {
                return Written::Created(Started { key: row.key, epoch: row.epoch, owner: *owner, replaced: None });
            }
            let awaited = row.parent_call.is_some() && !row.status.is_terminal();
            if awaited || !create.replace.contains(&row.status) {
                return Written::Exists { status: row.status };
            }
            epoch = row.epoch + 1;
            is_watched = *watched;
            replaced = Some(Gone { key: row.key, owner: self.living(*owner) });
        }
        if let Some(old) = replaced {
            self.remove(old.key);
        }
        let owner = create.owner;
        Written::Created(Started { key: self.insert(create, epoch, is_watched), epoch, owner, replaced })
    }

    fn insert(&mut self, create: CreateInstance, epoch: u64, watched: bool) -> InstanceKey {
        self.last_key += 1;
        let key = InstanceKey(self.last_key);
        self.ids.insert(create.id.clone(), key);
        if let Some(parent) = create.parent {
            self.children.insert((parent, key));
        }
        let mut timers = HashMap::new();
        if let Some(fire_at) = create.start_at {
            timers.insert(CallId::START, fire_at);
            self.timers.insert(TimerRow { fire_at, key, call: CallId::START });
        }
        let owner = create.owner;
        let row = new_row(key, create, epoch);
        let (history, inbox, activities) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        self.instances.insert(key, Instance { row, owner, watched, history, inbox, activities, timers });
        key
    }
}

fn new_row(key: InstanceKey, create: CreateInstance, epoch: u64) -> InstanceRow {
    InstanceRow {
        key,
        id: create.id,
        execution: create.execution,
        name: create.name,
        version: create.version,
        status: RuntimeStatus::Pending,
        input: create.input,
        tags: create.tags,
        origin: create.origin,
        parent: create.parent,
        parent_call: create.parent_call,
        start_at: create.start_at,
        generation: 0,
        custom_status: None,
        output: None,
        reason: None,
        stalled: None,
        created: create.now,
        updated: create.now,
        epoch,
        turn: 0,
        turn_time: Timestamp::UNIX_EPOCH,
        history_len: 0,
        inbox_seq: 0,
        crashes: 0,
    }
}
