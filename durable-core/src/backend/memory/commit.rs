//! Creating instances and sending messages.

use std::collections::{BTreeMap, HashMap};

use super::schema::{Instance, Tables};
use crate::backend::{
    Completes, CreateInstance, InboxRow, InstanceKey, InstanceRow, MessageTarget, NewMessage, Started, TimerRow, Write,
    Written,
};
use crate::model::{RuntimeStatus, Timestamp};

impl Tables {
    pub(super) fn apply(&mut self, write: Write) -> Written {
        match write {
            Write::Create(create) => self.create(create),
            Write::Turn(turn) => self.turn(*turn),
            Write::Message(message) => self.message(message),
            Write::Claim { key, worker } => self.claim(key, worker),
            Write::Attempt { key, epoch } => self.attempt(key, epoch),
            Write::ClaimActivities { worker, first_claim, limit } => self.claim_activities(worker, first_claim, limit),
            Write::Stall { key, epoch, reason } => self.stall(key, epoch, reason),
            _ => Written::Refused,
        }
    }

    fn create(&mut self, create: CreateInstance) -> Written {
        let mut epoch = 1;
        let mut replaced = None;
        if let Some(existing) = self.by_id(&create.id) {
            let (key, status) = (existing.row.key, existing.row.status);
            if existing.row.execution == create.execution {
                return Written::Created(Started { key, epoch: existing.row.epoch, replaced: None });
            }
            if !create.replace.contains(&status) {
                return Written::Exists { status };
            }
            epoch = existing.row.epoch + 1;
            replaced = Some(key);
            self.remove(key);
        }
        self.last_key += 1;
        let key = InstanceKey(self.last_key);
        self.ids.insert(create.id.clone(), key);
        let row = InstanceRow {
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
        };
        let instance = Instance {
            row,
            owner: create.owner,
            history: Vec::new(),
            inbox: BTreeMap::new(),
            activities: BTreeMap::new(),
            timers: HashMap::new(),
        };
        self.instances.insert(key, instance);
        Written::Created(Started { key, epoch, replaced })
    }

    fn message(&mut self, message: NewMessage) -> Written {
        let key = match &message.to {
            MessageTarget::Id(id) => self.ids.get(id).copied(),
            MessageTarget::Execution(key, _) => Some(*key),
        };
        let Some((key, instance)) = key.and_then(|key| Some((key, self.instances.get_mut(&key)?))) else {
            return Written::NotFound;
        };
        if matches!(&message.to, MessageTarget::Execution(_, execution) if *execution != instance.row.execution) {
            return Written::Refused;
        }
        if let Some(completes) = message.completes {
            let (call, here) = match completes {
                Completes::Activity(call, claim) => {
                    (call, instance.activities.get(&call).is_some_and(|activity| activity.claim == claim))
                }
                Completes::Timer(call) => (call, instance.timers.contains_key(&call)),
            };
            if !here {
                // Because this very message has arrived already, and the answer was lost?
                let task = call.task();
                let same = |row: &&InboxRow| row.event.task_id == Some(task) && row.event.kind == message.event.kind;
                let before = instance.inbox.values().find(same);
                return before.map_or(Written::Refused, |row| Written::Queued { key, seq: row.seq });
            }
            instance.activities.remove(&call);
            self.orphans.remove(&(key, call));
            if let Some(fire_at) = instance.timers.remove(&call) {
                self.timers.remove(&TimerRow { fire_at, key, call });
            }
        }
        if instance.row.status.is_terminal() {
            return Written::Finished { status: instance.row.status };
        }
        instance.row.inbox_seq += 1;
        let seq = instance.row.inbox_seq;
        instance.inbox.insert(seq, InboxRow { seq, time: message.time, event: message.event });
        Written::Queued { key, seq }
    }

    fn stall(&mut self, key: InstanceKey, epoch: u64, reason: Option<String>) -> Written {
        match self.instances.get_mut(&key) {
            Some(instance) if instance.row.epoch == epoch => {
                instance.row.stalled = reason;
                instance.row.crashes = 0;
                Written::Done
            }
            _ => Written::Refused,
        }
    }
}
