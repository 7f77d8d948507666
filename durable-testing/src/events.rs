//! Short ways to write the events that reach an orchestrator.

use durable_core::history::{Action, Completion, EventKind};
use durable_core::model::{EventName, FailureDetails, Payload, TaskId, Timestamp};
use durable_core::replay::TurnOutcome;
use serde::Serialize;

/// A call completed with this value.
///
/// # Panics
///
/// When the value has no JSON form.
#[must_use]
pub fn completed(task: u32, result: impl Serialize) -> EventKind {
    EventKind::TaskCompleted { task_id: TaskId(task), result: payload(&result) }
}

/// A call failed.
#[must_use]
pub fn failed(task: u32, failure: FailureDetails) -> EventKind {
    EventKind::TaskFailed { task_id: TaskId(task), failure }
}

/// A child completed with this value.
///
/// # Panics
///
/// When the value has no JSON form.
#[must_use]
pub fn child_completed(task: u32, result: impl Serialize) -> EventKind {
    EventKind::SubOrchestrationInstanceCompleted { task_id: TaskId(task), result: payload(&result) }
}

/// A child failed.
#[must_use]
pub fn child_failed(task: u32, failure: FailureDetails) -> EventKind {
    EventKind::SubOrchestrationInstanceFailed { task_id: TaskId(task), failure }
}

/// A client asked for a pause.
#[must_use]
pub fn suspended() -> EventKind {
    EventKind::ExecutionSuspended { reason: None, recursive: false }
}

/// A client asked to go on.
#[must_use]
pub fn resumed() -> EventKind {
    EventKind::ExecutionResumed { reason: None, recursive: false }
}

/// A timer fired.
#[must_use]
pub fn fired(timer: u32) -> EventKind {
    EventKind::TimerFired { timer_id: TaskId(timer), fire_at: Timestamp::UNIX_EPOCH }
}

/// An external event arrived.
///
/// # Panics
///
/// When the name is not valid or the value has no JSON form.
#[must_use]
pub fn raised(name: &str, value: impl Serialize) -> EventKind {
    EventKind::EventRaised { name: EventName::new(name).expect("a valid event name"), input: payload(&value) }
}

/// A client asked for the end.
#[must_use]
pub fn terminated(reason: &str) -> EventKind {
    EventKind::ExecutionTerminated { reason: Some(reason.to_owned()), recursive: false }
}

fn payload(value: &impl Serialize) -> Payload {
    Payload::encode(value).expect("a value with a JSON form")
}

/// The history events of an outcome, in the order in which they are stored.
pub fn recorded(outcome: &TurnOutcome) -> impl Iterator<Item = EventKind> {
    let actions = outcome.actions.iter().filter_map(|(id, action)| match action.clone() {
        Action::ScheduleTask { name, input, options, source } => {
            Some(EventKind::TaskScheduled { id: *id, name, input, options, source: Some(source) })
        }
        Action::CreateTimer { fire_at, source } => {
            Some(EventKind::TimerCreated { id: *id, fire_at, source: Some(source) })
        }
        Action::StartChild { child, source, .. } => {
            Some(EventKind::SubOrchestrationInstanceCreated { id: *id, child, source: Some(source) })
        }
        Action::SendEvent { instance, name, input, source } => {
            Some(EventKind::EventSent { id: *id, instance, name, input, source: Some(source) })
        }
        _ => None,
    });
    let markers = outcome.markers.iter().map(|marker| EventKind::MarkerRecorded { marker: marker.clone() });
    let canceled = outcome.canceled.iter().map(|task_id| EventKind::TaskCanceled { task_id: *task_id });
    let end = outcome.completion.iter().map(|(id, completion)| {
        let (result, failure) = match completion.clone() {
            Completion::Completed(output) => (Some(output), None),
            Completion::Failed(failure) => (None, Some(failure)),
            Completion::Terminated(_) | Completion::ContinuedAsNew(_) => (None, None),
        };
        EventKind::ExecutionCompleted { id: *id, status: completion.status(), result, failure }
    });
    actions.chain(markers).chain(canceled).chain(end).collect::<Vec<_>>().into_iter()
}
