//! From a history back to the writes that made it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::apply::{Standing, empty, new_activity, new_child, terminated};
use super::entry::Known;
use super::stored;
use crate::backend::{
    CallId, CreateInstance, HistoryRow, InstanceKey, InstanceRow, NewEvent, NewTimer, NextExecution, TurnCommit,
};
use crate::history::{ChildStart, EventKind, ExecutionHeader, HistoryRecord, encode_event};
use crate::model::{ExecutionId, Payload, RuntimeStatus, TaskId, Timestamp};

/// The writes that bring an empty store to where a recorded history leaves its execution, for tests that go on from there.
///
/// What the execution has sent to others is not sent again, and its children are not started: only the instance itself stands
/// as it stood, with its open calls and timers. An execution that is over has no open ones.
#[derive(Debug, Clone)]
pub struct Retrace {
    header: Arc<ExecutionHeader>,
    records: Vec<HistoryRecord>,
}

impl Retrace {
    /// The writes of these turns of one execution; without any, it has been created only.
    #[must_use]
    pub fn new(header: Arc<ExecutionHeader>, records: Vec<HistoryRecord>) -> Self {
        Self { header, records }
    }

    /// The execution of a row, and its history.
    ///
    /// # Errors
    ///
    /// The rows cannot be read: why.
    pub fn of_rows(instance: &InstanceRow, history: Vec<HistoryRow>) -> Result<Self, String> {
        let header = stored::header(instance)?;
        let records = stored::records(history, &header).map_err(|error| error.to_string())?;
        Ok(Self { header, records })
    }

    /// What the execution was started with.
    #[must_use]
    pub fn header(&self) -> &Arc<ExecutionHeader> {
        &self.header
    }

    /// Its history.
    #[must_use]
    pub fn records(&self) -> &[HistoryRecord] {
        &self.records
    }

    /// Creates a child of this execution that has not run yet, as its call did at `now`. The key is that of this instance.
    #[must_use]
    pub fn child(
        &self,
        key: InstanceKey,
        (task, child): (TaskId, &ChildStart),
        execution: ExecutionId,
        now: Timestamp,
    ) -> CreateInstance {
        let parent = Known { standing: Standing::new(key, 0, None), header: Arc::clone(&self.header) };
        let mut create = new_child(&parent, (task, child), child.version.clone(), execution);
        create.parent_call = (!child.is_detached).then(|| CallId::new(self.header.generation, task));
        create.start_at = child.start_at.filter(|at| *at > now);
        create.now = now;
        create
    }

    /// What the orchestration that waits for the end of this one is told; `None` before the end, and when nobody waits for it.
    #[must_use]
    pub fn told_to_parent(&self) -> Option<EventKind> {
        let task_id = self.header.parent.as_ref()?.task_id?;
        let EventKind::ExecutionCompleted { status, result, failure, .. } = &self.records.last()?.kind else {
            return None;
        };
        Some(match (status, failure) {
            (RuntimeStatus::Completed, _) => EventKind::SubOrchestrationInstanceCompleted {
                task_id,
                result: result.clone().unwrap_or_else(Payload::null),
            },
            (_, Some(failure)) => EventKind::SubOrchestrationInstanceFailed { task_id, failure: failure.clone() },
            (_, None) => {
                let reason: Option<String> = result.as_ref().and_then(|reason| reason.decode().ok());
                let failure = terminated(&self.header, reason.as_deref());
                EventKind::SubOrchestrationInstanceFailed { task_id, failure }
            }
        })
    }

    /// Creates the instance, which belongs to nobody.
    #[must_use]
    pub fn create(&self) -> CreateInstance {
        let create = stored::create(&self.header);
        CreateInstance { now: self.records.first().map_or(create.now, |record| record.time), ..create }
    }

    /// The turns of the instance that was created, in order. Turns are counted anew, from 1 for the first of an instance.
    #[must_use]
    pub fn turns(&self, key: InstanceKey, epoch: u64, custom_status: Option<Payload>) -> Vec<TurnCommit> {
        let standing = Standing::new(key, epoch, None);
        let mut known = Known { standing, header: Arc::clone(&self.header) };
        let mut turns = Vec::new();
        if self.header.generation > 0 {
            turns.push(self.earlier_executions(&known));
            known.standing.turn = 1;
        }
        let is_first = self.header.generation == 0;
        for records in self.records.chunk_by(|a, b| a.turn == b.turn) {
            let turn = retraced(&mut known, records, is_first && turns.is_empty());
            known.standing.turn = turn.turn;
            known.standing.history_len += turn.history.len() as u64;
            turns.push(turn);
        }
        if let Some(last) = turns.last_mut() {
            last.custom_status = custom_status;
        }
        turns
    }

    /// One turn that stands for all that were before the execution.
    fn earlier_executions(&self, known: &Known) -> TurnCommit {
        let header = &self.header;
        let first = self.records.first().map_or(known.standing.turn_time, |record| record.turn_time);
        let mut turn = empty(known, first);
        turn.status = RuntimeStatus::ContinuedAsNew;
        turn.timers_gone.push(CallId::START);
        turn.next = Some(Box::new(NextExecution {
            execution: header.execution.as_str().to_owned(),
            version: header.version.as_ref().map(|version| version.as_str().to_owned()),
            input: header.input.clone(),
            generation: header.generation,
            carried: Vec::new(),
        }));
        turn
    }
}

fn retraced(known: &mut Known, records: &[HistoryRecord], is_first: bool) -> TurnCommit {
    let mut turn = empty(known, records[0].turn_time);
    let call = |task: TaskId| CallId::new(known.header.generation, task);
    let canceled: BTreeSet<_> = records.iter().filter_map(|record| canceled(&record.kind)).collect();
    if is_first && known.header.scheduled_start.is_some() {
        turn.timers_gone.push(CallId::START);
    }
    for record in records {
        turn.history.push(NewEvent { time: record.time, event: encode_event(&record.kind) });
        match &record.kind {
            EventKind::TaskScheduled { id, name, input, options, .. } if !canceled.contains(id) => {
                let options = stored::options(*options, known.header.trace.as_ref());
                turn.new_activities.push(new_activity(call(*id), name, input, options, None));
            }
            EventKind::TimerCreated { id, fire_at, .. } if !canceled.contains(id) => {
                turn.new_timers.push(NewTimer { call: call(*id), fire_at: *fire_at });
            }
            EventKind::TaskCompleted { task_id, .. } | EventKind::TaskFailed { task_id, .. } => {
                turn.activities_gone.push(call(*task_id));
            }
            EventKind::TimerFired { timer_id, .. } => turn.timers_gone.push(call(*timer_id)),
            EventKind::TaskCanceled { task_id } => {
                turn.activities_gone.push(call(*task_id));
                turn.timers_gone.push(call(*task_id));
            }
            EventKind::ExecutionSuspended { .. } => known.standing.is_suspended = true,
            EventKind::ExecutionResumed { .. } => known.standing.is_suspended = false,
            EventKind::ExecutionCompleted { status, result, failure, .. } => {
                turn.status = *status;
                turn.drop_activities = true;
                turn.output = result.clone().filter(|_| *status == RuntimeStatus::Completed);
                turn.reason = match failure {
                    Some(failure) => serde_json::to_string(failure).ok(),
                    None if *status == RuntimeStatus::Terminated => {
                        result.as_ref().and_then(|reason| reason.decode().ok())
                    }
                    None => None,
                };
            }
            _ => {}
        }
    }
    if known.standing.is_suspended && !turn.status.is_terminal() {
        turn.status = RuntimeStatus::Suspended;
    }
    turn
}

fn canceled(event: &EventKind) -> Option<TaskId> {
    match event {
        EventKind::TaskCanceled { task_id } => Some(*task_id),
        _ => None,
    }
}
