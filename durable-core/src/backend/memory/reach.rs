//! What a turn does to other instances.

use super::schema::{Instance, Tables};
use crate::backend::{
    Arrived, Committed, CreateInstance, InstanceKey, InstanceRow, NewChild, OutgoingMessage, Started, TurnCommit,
    Written,
};

impl Tables {
    pub(super) fn reach(&mut self, key: InstanceKey, children: &[NewChild], messages: &[OutgoingMessage]) -> Written {
        let watched = self.is_seen(key);
        if children.is_empty() && messages.is_empty() && !watched {
            return Written::Done;
        }
        let mut committed = Committed { watched, ..Committed::default() };
        for child in children {
            let (started, arrived) = self.create_child(key, child.clone());
            committed.started.push(started);
            committed.arrived.extend(arrived);
        }
        for message in messages {
            for to in self.recipients(key, &message.to) {
                committed.arrived.extend(self.deliver(to, message.event.clone()));
            }
        }
        Written::Committed(Box::new(committed))
    }

    /// Starts a child, or tells its parent that the id is taken.
    pub(super) fn create_child(&mut self, parent: InstanceKey, child: NewChild) -> (Option<Started>, Option<Arrived>) {
        let create = CreateInstance { parent: Some(parent), ..child.create };
        if let Written::Created(started) = self.create(create) {
            return (Some(started), None);
        }
        (None, child.if_taken.and_then(|event| self.deliver(parent, event)))
    }

    /// Whether those who watch the instance learn of the turn that it has just had.
    fn is_seen(&self, key: InstanceKey) -> bool {
        let is_step = |row: &InstanceRow| row.turn == 1 || row.status.is_terminal();
        self.instances.get(&key).is_some_and(|instance| instance.watched && is_step(&instance.row))
    }

    /// The answer to a turn that was committed before.
    pub(super) fn reached_before(&self, turn: &TurnCommit) -> Written {
        let watched = self.is_seen(turn.key);
        if turn.children.is_empty() && turn.messages.is_empty() && !watched {
            return Written::Done;
        }
        let started = turn.children.iter().map(|child| {
            let Instance { row, owner, .. } = self.by_id(&child.create.id)?;
            let same = row.execution == child.create.execution;
            same.then_some(Started { key: row.key, epoch: row.epoch, owner: *owner, replaced: None })
        });
        let started = started.collect();
        let to = turn.messages.iter().flat_map(|message| self.recipients(turn.key, &message.to));
        let mut look: Vec<_> = to.collect();
        if turn.children.iter().any(|child| child.if_taken.is_some()) {
            look.push(turn.key);
        }
        look.sort_unstable();
        look.dedup();
        Written::Committed(Box::new(Committed { started, arrived: Vec::new(), look, watched }))
    }
}
