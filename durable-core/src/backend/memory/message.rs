//! Sending messages.

use super::schema::{Instance, Tables};
use crate::backend::{
    Arrived, Completes, InboxRow, InstanceKey, MessageTarget, NewEvent, NewMessage, Recipient, TimerRow, WorkerId,
    Written,
};

impl Tables {
    pub(super) fn message(&mut self, message: NewMessage) -> Written {
        let key = match &message.to {
            MessageTarget::Id(id) => self.ids.get(id).copied(),
            MessageTarget::Execution(key, _) => Some(*key),
        };
        let Some((key, instance)) = key.and_then(|key| Some((key, self.instances.get(&key)?))) else {
            return Written::NotFound;
        };
        let status = instance.row.status;
        let stale = is_stale(instance, &message);
        if let Some(completes) = message.completes {
            if stale && matches!(completes, Completes::Timer(_)) {
                return Written::Refused;
            }
            if !self.complete(key, completes) && !stale {
                let before = self.instances.get(&key).and_then(|instance| arrived_before(instance, &message));
                let owner = self.owner(key);
                return before.map_or(Written::Refused, |seq| Written::Queued { key, seq, owner });
            }
        }
        if stale {
            return Written::Refused;
        }
        if status.is_terminal() {
            return Written::Finished { status };
        }
        if matches!(message.completes, Some(Completes::Activity(..))) && self.owner(key).is_none() {
            self.dethrone(key);
        }
        let event = NewEvent { time: message.time, event: message.event };
        match self.deliver(key, event) {
            Some(arrived) => Written::Queued { key, seq: arrived.seq, owner: arrived.owner },
            None => Written::Finished { status },
        }
    }

    /// Takes an instance from its dead owner, which may have run the same call: no turn of it counts any more that has not heard
    /// of the result. Whoever takes the instance over still learns that its owner died.
    fn dethrone(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instances.get_mut(&key).filter(|instance| instance.owner.is_some()) {
            instance.row.epoch += 1;
        }
    }

    /// Removes the row that a message stands for, if it is there.
    fn complete(&mut self, key: InstanceKey, completes: Completes) -> bool {
        let Self { instances, timers, orphans, .. } = self;
        let Some(instance) = instances.get_mut(&key) else { return false };
        match completes {
            Completes::Activity(call, claim) => {
                let here = instance.activities.get(&call).is_some_and(|activity| activity.claim == claim);
                if here {
                    instance.activities.remove(&call);
                    orphans.remove(&(key, call));
                }
                here
            }
            Completes::Timer(call) => {
                let fire_at = instance.timers.remove(&call);
                fire_at.is_some_and(|fire_at| timers.remove(&TimerRow { fire_at, key, call }))
            }
        }
    }

    /// Puts a message into an inbox, unless the instance is finished or gone.
    pub(super) fn deliver(&mut self, key: InstanceKey, event: NewEvent) -> Option<Arrived> {
        let owner = self.owner(key);
        let instance = self.instances.get_mut(&key).filter(|instance| !instance.row.status.is_terminal())?;
        instance.row.inbox_seq += 1;
        let seq = instance.row.inbox_seq;
        instance.inbox.insert(seq, InboxRow { seq, time: event.time, event: event.event.clone() });
        Some(Arrived { key, seq, event, owner })
    }

    /// The living owner of an instance.
    pub(super) fn owner(&self, key: InstanceKey) -> Option<WorkerId> {
        self.living(self.instances.get(&key)?.owner)
    }

    /// The unfinished instances that a message of `from` goes to.
    pub(super) fn recipients(&self, from: InstanceKey, to: &Recipient) -> Vec<InstanceKey> {
        let live = |key: InstanceKey| {
            self.instances.get(&key).map(|instance| &instance.row).filter(|row| !row.status.is_terminal())
        };
        let children = || {
            let all = self.children.range((from, InstanceKey(i64::MIN))..=(from, InstanceKey(i64::MAX)));
            all.filter_map(|(_, child)| live(*child))
        };
        match to {
            Recipient::Id(id) => self.ids.get(id).and_then(|key| live(*key)).map(|row| row.key).into_iter().collect(),
            Recipient::Execution(key, execution) => {
                live(*key).filter(|row| row.execution == *execution).map(|row| row.key).into_iter().collect()
            }
            Recipient::Child(call) => {
                children().filter(|row| row.parent_call == Some(*call)).map(|row| row.key).collect()
            }
            Recipient::Children => children().filter(|row| row.parent_call.is_some()).map(|row| row.key).collect(),
        }
    }
}

/// Whether the message belongs to another execution than the present one. A call that was taken over later than its
/// instance continued as new is told apart by its generation only.
fn is_stale(instance: &Instance, message: &NewMessage) -> bool {
    let other = matches!(&message.to, MessageTarget::Execution(_, execution) if *execution != instance.row.execution);
    let old =
        matches!(message.completes, Some(Completes::Activity(call, _)) if call.generation() != instance.row.generation);
    other || old
}

/// Where this very message lies, if it has arrived already and the answer was lost.
fn arrived_before(instance: &Instance, message: &NewMessage) -> Option<u64> {
    let event = &message.event;
    let same = |row: &&InboxRow| row.event.task_id == event.task_id && row.event.kind == event.kind;
    instance.inbox.values().find(same).map(|row| row.seq)
}
