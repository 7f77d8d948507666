//! From an outcome to a write: the pure middle between the program and the store.

use super::message::{Message, Origin};
use crate::backend::{InstanceKey, NewActivity, NewEvent, NewTimer, TurnCommit, WorkerId};
use crate::history::{Action, Completion, EventKind, encode_event};
use crate::model::{ExecutionId, Payload, RuntimeStatus, TaskId, Timestamp};
use crate::replay::TurnOutcome;

/// Where an instance stands before a turn.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    pub(super) key: InstanceKey,
    pub(super) execution: ExecutionId,
    pub(super) epoch: u64,
    pub(super) turn: u64,
    pub(super) turn_time: Timestamp,
    pub(super) history_len: u64,
}

/// Who runs a new call: a worker under a claim, or whoever has room.
pub(super) type Placement = Option<(WorkerId, i64)>;

/// The write that commits one turn: what the instance received, what its code decided, and where both leave it.
///
/// `place` is asked once for each new call that will run.
pub(super) fn apply(
    before: &Standing,
    turn_time: Timestamp,
    received: &[Message],
    outcome: TurnOutcome,
    mut place: impl FnMut() -> Placement,
) -> TurnCommit {
    let mut commit = empty(before, turn_time);
    commit.custom_status = outcome.custom_status;
    for message in received {
        commit.history.push(NewEvent { time: message.time, event: encode_event(&message.event) });
        match message.origin {
            Origin::Start => {}
            Origin::Inbox(seq) => commit.inbox_through = commit.inbox_through.max(seq),
            Origin::Activity { task, .. } => commit.activities_gone.push(task),
            Origin::Timer(task) => commit.timers_gone.push(task),
        }
    }
    let runs = |id: &TaskId| !outcome.drop_tasks && outcome.canceled.binary_search(id).is_err();
    let mut record = |event: &EventKind| commit.history.push(NewEvent { time: turn_time, event: encode_event(event) });
    for (id, action) in outcome.actions {
        match action {
            Action::ScheduleTask { name, input, source } => {
                let event = EventKind::TaskScheduled { id, name, input, source: Some(source) };
                record(&event);
                if runs(&id) {
                    commit.new_activities.extend(new_activity(event, place()));
                }
            }
            Action::CreateTimer { fire_at, source } => {
                record(&EventKind::TimerCreated { id, fire_at, source: Some(source) });
                if runs(&id) {
                    commit.new_timers.push(NewTimer { task_id: id, fire_at });
                }
            }
        }
    }
    for task_id in outcome.canceled {
        record(&EventKind::TaskCanceled { task_id });
        commit.activities_gone.push(task_id);
        commit.timers_gone.push(task_id);
    }
    commit.drop_activities = outcome.drop_tasks;
    if let Some((id, completion)) = outcome.completion {
        complete(&mut commit, id, completion);
    }
    commit
}

fn empty(before: &Standing, turn_time: Timestamp) -> TurnCommit {
    TurnCommit {
        key: before.key,
        execution: before.execution.as_str().to_owned(),
        epoch: before.epoch,
        turn: before.turn + 1,
        turn_time,
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: before.history_len + 1,
        history: Vec::new(),
        inbox_through: 0,
        activities_gone: Vec::new(),
        timers_gone: Vec::new(),
        new_activities: Vec::new(),
        new_timers: Vec::new(),
        drop_activities: false,
    }
}

fn new_activity(event: EventKind, placement: Placement) -> Option<NewActivity> {
    let EventKind::TaskScheduled { id, name, input, .. } = event else { return None };
    let (runner, claim) = placement.unzip();
    Some(NewActivity { task_id: id, name: name.as_str().to_owned(), input, runner, claim: claim.unwrap_or(0) })
}

fn complete(commit: &mut TurnCommit, id: TaskId, completion: Completion) {
    let status = completion.status();
    let (mut result, mut failure) = (None, None);
    match completion {
        Completion::Completed(output) => result = Some(output),
        Completion::Failed(details) => {
            commit.reason = serde_json::to_string(&details).ok();
            failure = Some(details);
        }
        Completion::Terminated(reason) => {
            result = reason.as_ref().and_then(|reason| Payload::encode(reason).ok());
            commit.reason = reason;
        }
    }
    commit.status = status;
    commit.output = result.clone().filter(|_| status == RuntimeStatus::Completed);
    let event = EventKind::ExecutionCompleted { id, status, result, failure };
    commit.history.push(NewEvent { time: commit.turn_time, event: encode_event(&event) });
}
