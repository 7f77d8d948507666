//! Several histories, cut at the same moment.
//!
//! The first one is the measure: everything that it says has happened. Of the others, what happened earlier counts. At the very
//! same time, only what the rest follows from counts: a child has ended when its parent has heard of it.
//!
//! The times of turns are exact within an instance only, since turns that follow each other quickly get different ones. So
//! what is less than a millisecond apart is taken to be at the same time.

use std::sync::Arc;
use std::time::Duration;

use durable_core::history::{ChildStart, EventKind, ExecutionHeader, HistoryEvent, HistoryRecord, records_of};
use durable_core::model::{EventName, InstanceId, Payload, TaskId, Timestamp};

use super::travel_error::{Kind, TravelError};

/// What is known of an execution, and how much of it has happened.
#[derive(Debug, Clone)]
pub(super) struct Past {
    pub(super) header: Arc<ExecutionHeader>,
    started: Timestamp,
    turns: Vec<Vec<HistoryRecord>>,
    /// How many turns have happened.
    taken: usize,
    /// The instance is not there at this moment.
    pub(super) is_absent: bool,
}

impl Past {
    /// All whole turns of a history.
    pub(super) fn of(history: &[HistoryEvent]) -> Result<Self, TravelError> {
        let start = history.iter().find_map(|event| match &event.kind {
            EventKind::ExecutionStarted(header) => Some((Arc::clone(header), event.timestamp)),
            _ => None,
        });
        let Some((header, started)) = start else { return Err(Kind::NoStart.into()) };
        let end = history.iter().rposition(|event| event.kind == EventKind::OrchestratorCompleted);
        let records = records_of(&history[..end.map_or(0, |at| at + 1)]);
        Ok(Self::new(header, &records, started))
    }

    pub(super) fn new(header: Arc<ExecutionHeader>, records: &[HistoryRecord], started: Timestamp) -> Self {
        let turns: Vec<_> = records.chunk_by(|a, b| a.turn == b.turn).map(<[_]>::to_vec).collect();
        Self { header, started, taken: turns.len(), turns, is_absent: false }
    }

    /// The same with so many turns at most.
    pub(super) fn first(self, turns: usize) -> Self {
        Self { taken: turns.min(self.taken), ..self }
    }

    /// The same without its last turn, with which another execution begins.
    pub(super) fn without_its_end(mut self) -> Self {
        self.turns.pop();
        let turns = self.turns.len();
        self.first(turns)
    }

    /// What has happened.
    pub(super) fn records(&self) -> impl Iterator<Item = &HistoryRecord> {
        self.turns[..self.taken].iter().flatten()
    }

    /// The time of its last turn, or of its start.
    pub(super) fn now(&self) -> Timestamp {
        self.records().last().map_or(self.started, |record| record.turn_time)
    }

    /// True when it is over.
    pub(super) fn has_ended(&self) -> bool {
        self.records().any(|record| is_end(&record.kind))
    }

    /// The children whose ends it waits for, with their calls and the times of these.
    pub(super) fn open_children(&self) -> Vec<(TaskId, ChildStart, Timestamp)> {
        let mut open = Vec::new();
        for record in self.records() {
            match &record.kind {
                EventKind::SubOrchestrationInstanceCreated { id, child, .. } if !child.is_detached => {
                    open.push((*id, (**child).clone(), record.turn_time));
                }
                kind if is_end(kind) => open.clear(),
                kind => open.retain(|(task, ..)| closes(kind) != Some(*task)),
            }
        }
        open
    }

    fn is_called_by(&self, parent: &Self) -> bool {
        self.header
            .parent
            .as_ref()
            .is_some_and(|link| link.instance == parent.header.instance && link.execution == parent.header.execution)
    }

    /// The call that waits for its end.
    pub(super) fn call(&self) -> Option<TaskId> {
        self.header.parent.as_ref()?.task_id
    }

    /// The events that it has sent, with the time.
    fn sent(&self) -> impl Iterator<Item = (Timestamp, &InstanceId, &EventName, &Payload)> {
        self.records().filter_map(|record| match &record.kind {
            EventKind::EventSent { instance, name, input, .. } => Some((record.turn_time, instance, name, input)),
            _ => None,
        })
    }
}

fn is_end(kind: &EventKind) -> bool {
    matches!(kind, EventKind::ExecutionCompleted { .. })
}

fn starts(record: &HistoryRecord, own: &Past) -> bool {
    match &record.kind {
        EventKind::SubOrchestrationInstanceCreated { child, .. } => child.instance == own.header.instance,
        _ => false,
    }
}

/// The call of a child that this event ends.
fn closes(kind: &EventKind) -> Option<TaskId> {
    match kind {
        EventKind::TaskCanceled { task_id }
        | EventKind::SubOrchestrationInstanceCompleted { task_id, .. }
        | EventKind::SubOrchestrationInstanceFailed { task_id, .. } => Some(*task_id),
        _ => None,
    }
}

/// Times that are not further apart may be the same.
pub(super) const SAME: Duration = Duration::from_millis(1);

/// Several executions at the same moment.
pub(super) struct Cut(pub(super) Vec<Past>);

impl Cut {
    /// All as they are.
    pub(super) fn none(pasts: Vec<Past>) -> Self {
        let mut cut = Self(pasts);
        cut.leave_out();
        cut
    }

    /// Cuts all others where the first one ends.
    pub(super) fn at_the_end_of(first: Past, others: impl IntoIterator<Item = Past>) -> Self {
        let time = first.now();
        let earlier = |mut past: Past| {
            past.taken = past.turns.partition_point(|turn| turn[0].turn_time.saturating_add(SAME) <= time);
            past.is_absent = past.taken == 0 && past.started >= time.saturating_add(SAME);
            past
        };
        let own = first.header.instance.clone();
        let others = others.into_iter().filter(|past| past.header.instance != own).map(earlier);
        let mut cut = Self([first].into_iter().chain(others).collect());
        while let Some((at, taken)) = (0..cut.0.len()).find_map(|at| cut.needs(at, time)) {
            cut.0[at].taken = taken;
        }
        cut.leave_out();
        cut
    }

    fn leave_out(&mut self) {
        for at in 1..self.0.len() {
            self.0[at].is_absent |= self.is_not_there(at);
        }
    }

    /// The time of the last thing that has happened.
    pub(super) fn now(&self) -> Timestamp {
        let there = self.0.iter().filter(|past| !past.is_absent);
        there.map(Past::now).max().unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// What else must have happened for this one to stand where it stands.
    fn needs(&self, at: usize, time: Timestamp) -> Option<(usize, usize)> {
        let own = &self.0[at];
        if let Some((parent, turns)) = self.start_of(own).filter(|_| at == 0 || own.taken > 0)
            && self.0[parent].taken < turns
            && parent > 0
        {
            return Some((parent, turns));
        }
        let end = own.records().filter_map(|record| closes(&record.kind)).find_map(|task| {
            let (child, past) = self.child(own, task)?;
            let ends = past.turns.last().is_some_and(|turn| turn.iter().any(|record| is_end(&record.kind)));
            (ends && past.taken < past.turns.len() && own.has_heard_of(task)).then_some((child, past.turns.len()))
        });
        end.or_else(|| {
            let senders = |(name, input): &(&EventName, &Payload)| {
                let sends = |kind: &EventKind| {
                    matches!(kind, EventKind::EventSent { instance, name: sent, input: payload, .. }
                        if *instance == own.header.instance && sent == *name && payload.same_value(input))
                };
                self.0.iter().enumerate().find_map(|(other, past)| {
                    let rest = past.turns.iter().enumerate().skip(past.taken);
                    let mut rest = rest.take_while(|(_, turn)| turn[0].turn_time < time.saturating_add(SAME));
                    let turn = rest.find(|(_, turn)| turn.iter().any(|record| sends(&record.kind)));
                    turn.map(|(turn, _)| (other, turn + 1))
                })
            };
            self.unexplained(own).iter().find_map(senders)
        })
    }

    /// Who has started it, and with which of its turns.
    fn start_of(&self, own: &Past) -> Option<(usize, usize)> {
        let parent = self.parent(own)?;
        let turn = self.0[parent].turns.iter().position(|turn| turn.iter().any(|record| starts(record, own)))?;
        Some((parent, turn + 1))
    }

    /// The events that it has received and that nobody has sent so far.
    fn unexplained<'a>(&self, own: &'a Past) -> Vec<(&'a EventName, &'a Payload)> {
        let mut sent: Vec<_> = self.sent_to(&own.header.instance);
        let mut unexplained = Vec::new();
        for record in own.records() {
            let EventKind::EventRaised { name, input } = &record.kind else { continue };
            match sent.iter().position(|(_, sent, payload)| *sent == name && payload.same_value(input)) {
                Some(at) => _ = sent.remove(at),
                None => unexplained.push((name, input)),
            }
        }
        unexplained
    }

    /// What the others have sent to an instance, in the order of time.
    fn sent_to(&self, instance: &InstanceId) -> Vec<(Timestamp, &EventName, &Payload)> {
        let sent = self.0.iter().filter(|past| !past.is_absent).flat_map(Past::sent);
        let to = sent.filter(|(_, to, ..)| *to == instance);
        let mut sent: Vec<_> = to.map(|(time, _, name, payload)| (time, name, payload)).collect();
        sent.sort_by_key(|(time, ..)| *time);
        sent
    }

    /// The events that are on their way to an instance, in the order of time.
    pub(super) fn unread(&self, own: &Past) -> Vec<(Timestamp, EventName, Payload)> {
        let mut sent = self.sent_to(&own.header.instance);
        for record in own.records() {
            if let EventKind::EventRaised { name, input } = &record.kind {
                let same = sent.iter().position(|(_, sent, payload)| *sent == name && payload.same_value(input));
                if let Some(at) = same {
                    sent.remove(at);
                }
            }
        }
        sent.into_iter().map(|(time, name, payload)| (time, name.clone(), payload.clone())).collect()
    }

    fn child(&self, parent: &Past, task: TaskId) -> Option<(usize, &Past)> {
        self.0.iter().enumerate().find(|(_, past)| past.is_called_by(parent) && past.call() == Some(task))
    }

    /// The execution that has started this one, where it is known.
    pub(super) fn parent(&self, own: &Past) -> Option<usize> {
        self.0.iter().position(|past| own.is_called_by(past))
    }

    /// An instance that its parent has not started yet, or whose end the parent has heard of although it is not known.
    fn is_not_there(&self, at: usize) -> bool {
        let own = &self.0[at];
        let Some(parent) = self.parent(own).map(|parent| &self.0[parent]) else { return false };
        let is_started = parent.records().any(|record| starts(record, own));
        let is_over = own.call().is_some_and(|task| parent.has_heard_of(task) && !own.has_ended());
        let is_later = own.taken == 0 && own.header.generation > 0;
        !is_started || is_over || is_later
    }

    /// A history of this child is there, but it begins later.
    pub(super) fn has_later(&self, child: &InstanceId) -> bool {
        self.0.iter().any(|past| past.header.instance == *child && past.header.generation > 0)
    }
}

impl Past {
    /// It has received the end of a child.
    fn has_heard_of(&self, task: TaskId) -> bool {
        self.records()
            .any(|record| !matches!(record.kind, EventKind::TaskCanceled { .. }) && closes(&record.kind) == Some(task))
    }
}
