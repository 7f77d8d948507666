//! What a stage knows of the store, while it holds the locks.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::super::error::Result;
use super::super::query::int;
use super::changes::{Changes, free_text};
use crate::backend::{
    CallId, Completes, CreateInstance, HeldCall, InboxRow, InstanceKey, InstanceRow, NewActivity, NewTimer,
    RewindCommit, TurnCommit, WorkerId,
};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

/// The rows that a stage has read, as its writes leave them.
#[derive(Default)]
pub(in super::super) struct Work<'a> {
    pub(in super::super) instances: BTreeMap<InstanceKey, Instance<'a>>,
    ids: HashMap<String, InstanceKey>,
    children: HashMap<InstanceKey, Vec<InstanceKey>>,
    pub(super) fresh_keys: Vec<InstanceKey>,
    pub(super) read: Read,
    /// The calls were read whose results turns bring. Otherwise the writing fails where a claim does not hold.
    pub(in super::super) are_claims_known: bool,
    pub(in super::super) changes: Changes<'a>,
}

/// What writes need to know besides the instances themselves.
#[derive(Default)]
pub(in super::super) struct Read {
    pub(super) living: HashSet<WorkerId>,
    pub(super) drained: HashSet<WorkerId>,
    /// The claims of calls that messages complete or tell something of, and timers that fire.
    pub(super) calls: HashMap<(InstanceKey, CallId), i64>,
    pub(super) timers: HashSet<(InstanceKey, CallId)>,
    /// Where messages lie whose calls or timers are gone.
    pub(super) arrived: HashMap<(InstanceKey, Option<TaskId>, String), u64>,
    /// What claims read of instances.
    pub(super) rows: HashMap<InstanceKey, InstanceRow>,
    pub(super) inboxes: HashMap<InstanceKey, Vec<InboxRow>>,
    pub(super) timers_of: HashMap<InstanceKey, Vec<NewTimer>>,
}

/// An instance under its lock.
pub(in super::super) struct Instance<'a> {
    pub(in super::super) id: String,
    pub(in super::super) execution: String,
    pub(in super::super) status: RuntimeStatus,
    pub(in super::super) epoch: u64,
    pub(in super::super) turn: u64,
    pub(in super::super) generation: u32,
    pub(in super::super) inbox_seq: u64,
    pub(in super::super) owner: Option<WorkerId>,
    pub(in super::super) parent: Option<InstanceKey>,
    pub(in super::super) parent_call: Option<CallId>,
    pub(in super::super) watched: bool,
    /// This stage changes it: it got messages, another owner or somebody who watches.
    pub(in super::super) is_held: bool,
    /// This stage changes more of it than that, so that what claims have read of it holds no more.
    pub(in super::super) is_changed: bool,
    pub(in super::super) turned: Option<&'a TurnCommit>,
    pub(in super::super) rewound: Option<&'a RewindCommit>,
    new: Option<&'a CreateInstance>,
    messages: Vec<(u64, Timestamp, &'a StoredEvent)>,
    calls: Vec<(&'a NewActivity, bool)>,
    timers: Vec<NewTimer>,
}

/// The columns of an instance that every lock reads.
pub(super) struct Locked {
    pub(super) id: String,
    pub(super) execution: String,
    pub(super) status: RuntimeStatus,
    pub(super) epoch: u64,
    pub(super) turn: u64,
    pub(super) generation: u32,
    pub(super) inbox_seq: u64,
    pub(super) owner: Option<WorkerId>,
    pub(super) parent: Option<InstanceKey>,
    pub(super) parent_call: Option<CallId>,
    pub(super) watched: bool,
}

impl<'a> Work<'a> {
    pub(super) fn add(&mut self, key: InstanceKey, row: Locked) {
        self.insert(key, Instance::new(row, None));
    }

    fn insert(&mut self, key: InstanceKey, instance: Instance<'a>) {
        self.ids.insert(instance.id.clone(), key);
        if let Some(parent) = instance.parent {
            self.children.entry(parent).or_default().push(key);
        }
        self.instances.insert(key, instance);
    }

    /// Makes a new instance; its key was given out when the stage began.
    pub(in super::super) fn create(
        &mut self,
        create: &'a CreateInstance,
        parent: Option<InstanceKey>,
        epoch: u64,
        watched: bool,
    ) -> Option<InstanceKey> {
        let key = self.fresh_keys.pop()?;
        let row = Locked {
            id: create.id.clone(),
            execution: create.execution.clone(),
            status: RuntimeStatus::Pending,
            epoch,
            turn: 0,
            generation: 0,
            inbox_seq: 0,
            owner: create.owner,
            parent,
            parent_call: create.parent_call,
            watched,
        };
        self.insert(key, Instance { is_changed: true, ..Instance::new(row, Some(create)) });
        Some(key)
    }

    /// Forgets an instance that is removed.
    pub(in super::super) fn remove(&mut self, key: InstanceKey) {
        if let Some(instance) = self.instances.remove(&key) {
            self.ids.remove(&instance.id);
            if instance.new.is_none() {
                self.changes.removed.push((key.0,));
            }
        }
    }

    pub(in super::super) fn by_id(&self, id: &str) -> Option<InstanceKey> {
        self.ids.get(id).copied()
    }

    /// The instances that this one started, as far as writes may ask for them.
    pub(in super::super) fn children(&self, parent: InstanceKey) -> Vec<InstanceKey> {
        let mut children = self.children.get(&parent).cloned().unwrap_or_default();
        children.sort_unstable();
        children
    }

    /// The worker, if it lives.
    pub(in super::super) fn living(&self, worker: Option<WorkerId>) -> Option<WorkerId> {
        worker.filter(|worker| self.read.living.contains(worker))
    }

    /// Whether what `owner` had is taken from it before it ended in order.
    pub(in super::super) fn is_lost(&self, owner: Option<WorkerId>) -> bool {
        owner.is_some_and(|owner| !self.read.drained.contains(&owner))
    }

    /// What a claim was to read: the row, with what this stage has changed, the unread messages and the timers.
    pub(in super::super) fn claimed(
        &mut self,
        key: InstanceKey,
    ) -> Option<(InstanceRow, Vec<InboxRow>, Vec<NewTimer>)> {
        let instance = self.instances.get(&key)?;
        let mut row = self.read.rows.get(&key)?.clone();
        (row.epoch, row.inbox_seq) = (instance.epoch, instance.inbox_seq);
        let mut inbox = self.read.inboxes.get(&key).cloned().unwrap_or_default();
        let new = instance.messages.iter();
        inbox.extend(new.map(|(seq, time, event)| InboxRow { seq: *seq, time: *time, event: (*event).clone() }));
        let timers = self.read.timers_of.get(&key).cloned().unwrap_or_default();
        let still = timers.into_iter().filter(|timer| self.read.timers.contains(&(key, timer.call)));
        Some((row, inbox, still.collect()))
    }

    /// What a claim reads, when it reads at all.
    pub(in super::super) fn row(&self, key: InstanceKey) -> Option<&InstanceRow> {
        self.read.rows.get(&key)
    }

    /// Puts a message into an inbox, and says where it lies.
    pub(in super::super) fn deliver(&mut self, key: InstanceKey, time: Timestamp, event: &'a StoredEvent) -> u64 {
        self.changes.weigh(event.payload.as_ref());
        let Some(instance) = self.instances.get_mut(&key) else { return 0 };
        instance.inbox_seq += 1;
        instance.is_held = true;
        instance.messages.push((instance.inbox_seq, time, event));
        instance.inbox_seq
    }

    /// Puts a message back to where it lay before.
    pub(in super::super) fn put_back(&mut self, key: InstanceKey, row: &'a InboxRow) {
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.messages.push((row.seq, row.time, &row.event));
        }
    }

    /// Removes the row that a message stands for, if it is there.
    pub(in super::super) fn complete(&mut self, key: InstanceKey, completes: Completes) -> bool {
        let Some(instance) = self.instances.get_mut(&key) else { return false };
        match completes {
            Completes::Activity(call, claim) => {
                let new = instance.calls.iter().position(|(new, _)| new.call == call && new.claim == claim);
                if let Some(at) = new {
                    instance.calls.remove(at);
                    return true;
                }
                let here = self.read.calls.get(&(key, call)) == Some(&claim);
                if here {
                    self.read.calls.remove(&(key, call));
                    // It holds. A turn of this stage that has a result of the same call is found out by it.
                    self.changes.calls_gone.push((key.0, call.0, Some(claim).filter(|_| !self.are_claims_known)));
                }
                here
            }
            Completes::Timer(call) => {
                let new = instance.timers.iter().position(|new| new.call == call);
                if let Some(at) = new {
                    instance.timers.remove(at);
                    return true;
                }
                let here = self.read.timers.remove(&(key, call));
                if here {
                    self.changes.timers_gone.push((key.0, call.0));
                }
                here
            }
        }
    }

    /// The claim under which a call runs.
    pub(in super::super) fn claim_of(&self, key: InstanceKey, call: CallId) -> Option<i64> {
        let new = self.instances.get(&key)?.calls.iter().find(|(new, _)| new.call == call);
        new.map(|(new, _)| new.claim).or_else(|| self.read.calls.get(&(key, call)).copied())
    }

    /// Makes a call wait for a runner.
    pub(in super::super) fn take_from_runner(&mut self, key: InstanceKey, call: CallId) {
        let Some(instance) = self.instances.get_mut(&key) else { return };
        match instance.calls.iter_mut().find(|(new, _)| new.call == call) {
            Some((_, has_runner)) => *has_runner = false,
            None => self.changes.handed_back.push((key.0, call.0)),
        }
    }

    /// Where a message of this kind about this task lies.
    pub(in super::super) fn arrived(&self, key: InstanceKey, event: &StoredEvent) -> Option<u64> {
        let before = self.read.arrived.get(&(key, event.task_id, event.kind.clone().into_owned())).copied();
        before.or_else(|| {
            let mut new = self.instances.get(&key)?.messages.iter();
            let same =
                |(_, _, new): &&(u64, Timestamp, &StoredEvent)| new.task_id == event.task_id && new.kind == event.kind;
            new.find(same).map(|(seq, ..)| *seq)
        })
    }

    /// Ends calls and timers, those that this stage knows included. Some of the calls have results whose claims must hold.
    pub(in super::super) fn end(
        &mut self,
        key: InstanceKey,
        calls: &[CallId],
        results: &[HeldCall],
        timers: &[CallId],
    ) {
        let results = if self.are_claims_known { &[] } else { results };
        // They stand in the same order.
        let mut results = results.iter().peekable();
        for call in calls {
            let claim = results.next_if(|held| held.call == *call).map(|held| held.claim);
            self.read.calls.remove(&(key, *call));
            self.changes.calls_gone.push((key.0, call.0, claim));
        }
        for HeldCall { key, call, claim } in results {
            self.changes.calls_gone.push((key.0, call.0, Some(*claim)));
        }
        for call in timers {
            self.read.timers.remove(&(key, *call));
            self.changes.timers_gone.push((key.0, call.0));
        }
    }

    /// Ends all calls that were there before this stage.
    pub(in super::super) fn end_all_calls(&mut self, key: InstanceKey) {
        self.read.calls.retain(|(of, _), _| *of != key);
        self.changes.no_calls.push((key.0,));
    }

    /// The same for timers.
    pub(in super::super) fn end_all_timers(&mut self, key: InstanceKey) {
        self.read.timers.retain(|(of, _)| *of != key);
        self.changes.no_timers.push((key.0,));
    }

    /// Removes messages about tasks.
    pub(in super::super) fn drop_results(&mut self, key: InstanceKey) {
        self.read.arrived.retain(|(of, task, _), _| *of != key || task.is_none());
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.messages.retain(|(.., event)| event.task_id.is_none());
        }
        self.changes.no_results.push((key.0,));
    }

    /// Removes messages up to a position.
    pub(in super::super) fn consume(&mut self, key: InstanceKey, through: u64) {
        self.read.arrived.retain(|(of, ..), seq| *of != key || *seq > through);
        if let Some(instance) = self.instances.get_mut(&key) {
            instance.messages.retain(|(seq, ..)| *seq > through);
        }
        if through == u64::MAX {
            self.changes.no_messages.push((key.0,));
        } else if through > 0 {
            self.changes.consumed.push((key.0, int(through)));
        }
    }

    /// Turns what the writes have made of the instances into rows.
    pub(super) fn settle(&mut self) -> Result<()> {
        let changes = &mut self.changes;
        let mut new: Vec<_> = Vec::new();
        for (key, instance) in &self.instances {
            instance.settle(*key, changes);
            new.extend(instance.new.map(|create| (create, *key, instance)));
        }
        // In one order for all, so that two who create the same ids do not wait for each other in a circle.
        new.sort_unstable_by(|(a, ..), (b, ..)| a.id.cmp(&b.id));
        new.into_iter().try_for_each(|(create, key, instance)| instance.settle_new(key, create, changes))
    }
}

impl<'a> Instance<'a> {
    fn new(row: Locked, new: Option<&'a CreateInstance>) -> Self {
        Self {
            id: row.id,
            execution: row.execution,
            status: row.status,
            epoch: row.epoch,
            turn: row.turn,
            generation: row.generation,
            inbox_seq: row.inbox_seq,
            owner: row.owner,
            parent: row.parent,
            parent_call: row.parent_call,
            watched: row.watched,
            is_held: false,
            is_changed: false,
            turned: None,
            rewound: None,
            new,
            messages: Vec::new(),
            calls: Vec::new(),
            timers: Vec::new(),
        }
    }

    /// Adds a call that waits for a runner unless it has one.
    pub(in super::super) fn add_call(&mut self, new: &'a NewActivity, has_runner: bool) {
        self.calls.push((new, has_runner));
    }

    pub(in super::super) fn add_timer(&mut self, new: NewTimer) {
        self.timers.push(new);
    }

    fn settle(&self, key: InstanceKey, changes: &mut Changes<'a>) {
        if self.new.is_none() {
            self.settle_row(key, changes);
        }
        for (seq, time, event) in &self.messages {
            changes.add_message(key, *seq, *time, event);
        }
        for (new, has_runner) in &self.calls {
            changes.add_call(key, new, *has_runner);
        }
        for new in &self.timers {
            changes.add_timer(key, *new);
        }
    }

    fn settle_row(&self, key: InstanceKey, changes: &mut Changes<'a>) {
        let owner = self.owner.map(|worker| worker.0);
        let (inbox_seq, epoch) = (int(self.inbox_seq), int(self.epoch));
        let Some(turn) = self.turned else {
            if let Some(rewind) = self.rewound {
                let (status, len) = (self.status.as_str(), int(rewind.history.len() as u64));
                changes.rewound.push((key.0, status, rewind.now.ticks(), len));
                for row in &rewind.history {
                    changes.add_history(key, row.seq, (row.turn, row.turn_time), row.time, &row.event);
                }
            }
            if self.is_held {
                changes.held.push((key.0, inbox_seq, epoch, owner, self.watched));
            }
            return;
        };
        changes.turned.push((
            key.0,
            self.status.as_str(),
            int(self.turn),
            turn.turn_time.ticks(),
            turn.output.as_ref().map(Payload::as_str),
            turn.reason.as_deref().map(free_text),
            turn.custom_status.as_ref().map(Payload::as_str),
            int(turn.history.len() as u64),
            inbox_seq,
            epoch,
            owner,
            self.watched,
        ));
        // The next execution begins with an empty history.
        if turn.next.is_none() {
            for (seq, new) in (turn.first_seq..).zip(&turn.history) {
                changes.add_history(key, seq, (turn.turn, turn.turn_time), new.time, &new.event);
            }
        }
    }

    fn settle_new(&self, key: InstanceKey, create: &'a CreateInstance, changes: &mut Changes<'a>) -> Result<()> {
        changes.new_instances.push((
            key.0,
            &create.id,
            &create.execution,
            &create.name,
            create.version.as_deref(),
            self.parent.map(|parent| parent.0),
            create.parent_call.map(|call| call.0),
            create.start_at.map(Timestamp::ticks),
            create.now.ticks(),
            self.owner.map(|worker| worker.0),
            int(self.epoch),
            int(self.inbox_seq),
            self.watched,
        ));
        changes.add_headers(key, create)
    }
}
