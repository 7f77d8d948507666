//! All executions of an instance, also those that have continued as new: their histories are gone from the store.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use durable_core::client::InstanceStatus;
use durable_core::history::{Action, Completion, EventKind, ExecutionHeader, HistoryEvent, HistoryRecord, project};
use durable_core::model::{ExecutionId, TaskId, Timestamp};
use durable_core::worker::CheckedTurn;

use super::core::Core;
use super::texts::instances;

/// An execution that has continued as new.
#[derive(Debug, Clone)]
pub(super) struct Ended {
    pub(super) header: Arc<ExecutionHeader>,
    /// The time of its last turn.
    pub(super) at: Timestamp,
    pub(super) events: Vec<HistoryEvent>,
}

/// Executions that have continued as new, in order.
#[derive(Debug, Clone, Default)]
pub(super) struct AllEnded {
    list: Vec<Arc<Ended>>,
    places: HashMap<ExecutionId, usize>,
}

impl AllEnded {
    /// Adds one, in the place of an attempt of the same turn that was not committed.
    pub(super) fn add(&mut self, ended: Ended) {
        let ended = Arc::new(ended);
        match self.places.get(&ended.header.execution) {
            Some(place) => self.list[*place] = ended,
            None => {
                self.places.insert(ended.header.execution.clone(), self.list.len());
                self.list.push(ended);
            }
        }
    }

    /// Those of an instance with this current execution that was created at this time.
    pub(super) fn of(&self, (instance, current): (&str, &str), created: Timestamp) -> Vec<Arc<Ended>> {
        let is_own = |ended: &&Arc<Ended>| {
            let header = &ended.header;
            header.instance.as_str() == instance && header.execution.as_str() != current && ended.at >= created
        };
        self.list.iter().filter(is_own).cloned().collect()
    }

    /// Those that have ended at a time at which these executions were the current ones.
    pub(super) fn before(self, time: Timestamp, current: &BTreeSet<String>) -> Self {
        let had_ended = |ended: &&Arc<Ended>| ended.at <= time && !current.contains(ended.header.execution.as_str());
        let list: Vec<_> = self.list.iter().filter(had_ended).cloned().collect();
        let places = list.iter().enumerate().map(|(place, ended)| (ended.header.execution.clone(), place)).collect();
        Self { list, places }
    }
}

impl Ended {
    /// The execution that ends with this turn, if it continues as new.
    pub(super) fn with(turn: &CheckedTurn<'_>) -> Option<Self> {
        let Some((id, Completion::ContinuedAsNew(next))) = &turn.outcome.completion else { return None };
        let (number, at) = (turn.input.turn, turn.input.time);
        let record = |kind: EventKind| HistoryRecord { turn: number, turn_time: at, time: at, kind };
        let mut records = turn.history.unwrap_or_default().to_vec();
        records.extend(turn.input.events.iter().cloned().map(record));
        records.extend(turn.outcome.actions.iter().filter_map(|(id, action)| recorded(*id, action)).map(record));
        let markers = turn.outcome.markers.iter();
        records.extend(markers.map(|marker| record(EventKind::MarkerRecorded { marker: marker.clone() })));
        let canceled = turn.outcome.canceled.iter();
        records.extend(canceled.map(|task_id| record(EventKind::TaskCanceled { task_id: *task_id })));
        records.push(record(EventKind::ExecutionCompleted {
            id: *id,
            status: turn.outcome.completion.as_ref().map(|(_, completion)| completion.status())?,
            result: Some(next.input.clone()),
            failure: None,
        }));
        Some(Self { header: Arc::clone(turn.header), at, events: project(records) })
    }
}

/// How an action stands in a history.
fn recorded(id: TaskId, action: &Action) -> Option<EventKind> {
    Some(match action.clone() {
        Action::ScheduleTask { name, input, options, source } => {
            EventKind::TaskScheduled { id, name, input, options, source: Some(source) }
        }
        Action::CreateTimer { fire_at, source } => EventKind::TimerCreated { id, fire_at, source: Some(source) },
        Action::StartChild { child, source, .. } => {
            EventKind::SubOrchestrationInstanceCreated { id, child, source: Some(source) }
        }
        Action::SendEvent { instance, name, input, source } => {
            EventKind::EventSent { id, instance, name, input, source: Some(source) }
        }
        _ => return None,
    })
}

/// An instance with the histories of its executions in their order; the last one is the current one.
pub(super) struct Executions {
    pub(super) status: InstanceStatus,
    /// Those that are over.
    pub(super) ended: Vec<Arc<Ended>>,
    pub(super) histories: Vec<Vec<HistoryEvent>>,
}

impl Executions {
    /// Those of an instance, of which the current history is known.
    pub(super) fn of(core: &Core, status: InstanceStatus, current: Vec<HistoryEvent>) -> Self {
        let of = (status.instance_id.as_str(), status.execution_id.as_str());
        let ended = core.journal.ended().of(of, status.created_at);
        let histories = ended.iter().map(|ended| ended.events.clone()).chain([current]).collect();
        Self { status, ended, histories }
    }

    /// Those of all instances, in the order in which they were created.
    #[track_caller]
    pub(super) fn all(core: &Core) -> Vec<Self> {
        instances(core).into_iter().map(|(status, history)| Self::of(core, status, history)).collect()
    }
}
