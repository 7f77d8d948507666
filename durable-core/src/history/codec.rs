//! The stored form of events: one row each, readable with a database shell.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::scratch;
use super::timer::{self, TimerDetail};
use super::{ChildStart, EventKind, ExecutionHeader, TaskOptions};
use crate::model::{
    EventName, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, SourceLocation, Tags, TaskId,
    Timestamp, Version,
};

/// What stands in the name column of a message that goes on to the children.
const RECURSIVE: &str = "recursive";

/// One event as a row: the columns that history and inbox tables share.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// The Durable Functions name of the event type.
    pub kind: Cow<'static, str>,
    /// The action that the event records or refers to.
    pub task_id: Option<TaskId>,
    /// The name of a function or an event, or the final status.
    pub name: Option<Cow<'static, str>>,
    /// Input, result or event payload.
    pub payload: Option<Payload>,
    /// What has no column of its own, as text or JSON, depending on the kind.
    pub detail: Option<Arc<str>>,
}

/// A stored event that this program cannot read: written by a newer version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("the stored event {kind} cannot be read: {problem}")]
pub struct CorruptHistory {
    kind: String,
    problem: String,
}

/// What a call has beside name and input. Most have only a source, which is stored as plain text.
#[derive(Serialize, Deserialize)]
struct TaskDetail {
    #[serde(flatten)]
    options: TaskOptions,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChildDetail {
    instance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    detached: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    start_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

#[derive(Serialize, Deserialize)]
struct SentDetail {
    instance: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
}

/// The row of an event. Starts and ends of turns have none, and must not be given.
#[must_use]
pub fn encode_event(event: &EventKind) -> StoredEvent {
    let mut row =
        StoredEvent { kind: Cow::Borrowed(event.name()), task_id: None, name: None, payload: None, detail: None };
    match event {
        EventKind::OrchestratorStarted | EventKind::OrchestratorCompleted => {}
        EventKind::ExecutionStarted(header) => row.name = owned(header.name.as_str()),
        EventKind::ExecutionCompleted { id, status, result, failure } => {
            row.task_id = Some(*id);
            row.name = Some(Cow::Borrowed(status.as_str()));
            row.payload.clone_from(result);
            row.detail = failure.as_ref().map(to_json);
        }
        EventKind::ExecutionTerminated { reason, recursive }
        | EventKind::ExecutionSuspended { reason, recursive }
        | EventKind::ExecutionResumed { reason, recursive } => {
            row.detail = reason.as_deref().map(Into::into);
            row.name = recursive.then_some(Cow::Borrowed(RECURSIVE));
        }
        EventKind::ExecutionRewound { reason } => row.detail = reason.as_deref().map(Into::into),
        EventKind::TaskScheduled { .. }
        | EventKind::SubOrchestrationInstanceCreated { .. }
        | EventKind::EventSent { .. }
        | EventKind::TimerCreated { .. } => encode_action(&mut row, event),
        EventKind::TaskCompleted { task_id, result }
        | EventKind::SubOrchestrationInstanceCompleted { task_id, result } => {
            row.task_id = Some(*task_id);
            row.payload = Some(result.clone());
        }
        EventKind::TaskFailed { task_id, failure } | EventKind::SubOrchestrationInstanceFailed { task_id, failure } => {
            row.task_id = Some(*task_id);
            row.detail = Some(to_json(failure));
        }
        EventKind::TaskCanceled { task_id } => row.task_id = Some(*task_id),
        EventKind::TimerFired { timer_id, fire_at } => {
            row.task_id = Some(*timer_id);
            row.detail = Some(timer::write(*fire_at, None));
        }
        EventKind::EventRaised { name, input } => {
            row.name = owned(name.as_str());
            row.payload = Some(input.clone());
        }
        EventKind::MarkerRecorded { marker } => row.name = owned(marker),
    }
    row
}

/// Fills the row of what the orchestrator did.
fn encode_action(row: &mut StoredEvent, event: &EventKind) {
    let text = |source: &Option<SourceLocation>| source.as_ref().map(ToString::to_string);
    row.task_id = event.action_id();
    match event {
        EventKind::TaskScheduled { name, input, options, source, .. } => {
            row.name = owned(name.as_str());
            row.payload = Some(input.clone());
            row.detail = if *options == TaskOptions::default() {
                source.as_ref().map(place)
            } else {
                Some(to_json(&TaskDetail { options: *options, source: text(source) }))
            };
        }
        EventKind::SubOrchestrationInstanceCreated { child, source, .. } => {
            row.name = owned(child.name.as_str());
            row.payload = Some(child.input.clone());
            row.detail = Some(to_json(&ChildDetail {
                instance: child.instance.to_string(),
                version: child.version.clone(),
                tags: child.tags.clone(),
                detached: child.is_detached,
                start_at: child.start_at,
                source: text(source),
            }));
        }
        EventKind::EventSent { instance, name, input, source, .. } => {
            row.name = owned(name.as_str());
            row.payload = Some(input.clone());
            row.detail = Some(to_json(&SentDetail { instance: instance.to_string(), source: text(source) }));
        }
        EventKind::TimerCreated { fire_at, source, .. } => {
            row.detail = Some(timer::write(*fire_at, source.as_ref()));
        }
        _ => {}
    }
}

fn owned(text: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(text.to_owned()))
}

fn place(source: &SourceLocation) -> Arc<str> {
    match source {
        SourceLocation::Stored(text) => Arc::clone(text),
        SourceLocation::Here(_) => scratch::text(source),
    }
}

fn to_json<T: Serialize>(value: &T) -> Arc<str> {
    serde_json::to_string(value).unwrap_or_else(|error| format!("\"{error}\"")).into()
}

/// Reads a row back.
///
/// # Errors
///
/// [`CorruptHistory`] when a column is missing or cannot be read, or when the kind is unknown.
pub fn decode_event(row: StoredEvent, header: &Arc<ExecutionHeader>) -> Result<EventKind, CorruptHistory> {
    decode_with(row, Some(header))
}

/// Reads a row back where only the start of an execution has a header.
pub(super) fn decode_with(
    row: StoredEvent,
    header: Option<&Arc<ExecutionHeader>>,
) -> Result<EventKind, CorruptHistory> {
    EventReader::default().decode(row, header)
}

/// Reads the rows of a history one after the other.
#[derive(Default)]
pub(crate) struct EventReader {
    /// The place in the source that was read last: mostly it is that of the next timer as well.
    place: Option<Arc<str>>,
}

impl EventReader {
    /// As [`decode_event`].
    pub(crate) fn read(
        &mut self,
        row: StoredEvent,
        header: &Arc<ExecutionHeader>,
    ) -> Result<EventKind, CorruptHistory> {
        self.decode(row, Some(header))
    }

    fn decode(&mut self, row: StoredEvent, header: Option<&Arc<ExecutionHeader>>) -> Result<EventKind, CorruptHistory> {
        let kind = row.kind.clone();
        let columns = Columns { row, place: &mut self.place };
        columns.decode(header).map_err(|problem| CorruptHistory { kind: kind.into_owned(), problem })
    }
}

struct Columns<'a> {
    row: StoredEvent,
    place: &'a mut Option<Arc<str>>,
}

impl Columns<'_> {
    fn decode(mut self, header: Option<&Arc<ExecutionHeader>>) -> Result<EventKind, String> {
        Ok(match &*self.row.kind.clone() {
            "ExecutionStarted" => EventKind::ExecutionStarted(header.cloned().ok_or("it has no header")?),
            "ExecutionCompleted" => EventKind::ExecutionCompleted {
                id: self.task()?,
                status: self.name()?.parse::<RuntimeStatus>().map_err(|error| error.to_string())?,
                result: self.row.payload.take(),
                failure: self.row.detail.is_some().then(|| self.detail()).transpose()?,
            },
            "ExecutionTerminated" => {
                EventKind::ExecutionTerminated { recursive: self.recursive(), reason: self.reason() }
            }
            "ExecutionSuspended" => {
                EventKind::ExecutionSuspended { recursive: self.recursive(), reason: self.reason() }
            }
            "ExecutionResumed" => EventKind::ExecutionResumed { recursive: self.recursive(), reason: self.reason() },
            "ExecutionRewound" => EventKind::ExecutionRewound { reason: self.reason() },
            "TaskScheduled" => self.scheduled()?,
            "TaskCompleted" => EventKind::TaskCompleted { task_id: self.task()?, result: self.payload()? },
            "TaskFailed" => EventKind::TaskFailed { task_id: self.task()?, failure: self.detail::<FailureDetails>()? },
            "TaskCanceled" => EventKind::TaskCanceled { task_id: self.task()? },
            "SubOrchestrationInstanceCreated" => self.child()?,
            "SubOrchestrationInstanceCompleted" => {
                EventKind::SubOrchestrationInstanceCompleted { task_id: self.task()?, result: self.payload()? }
            }
            "SubOrchestrationInstanceFailed" => {
                EventKind::SubOrchestrationInstanceFailed { task_id: self.task()?, failure: self.detail()? }
            }
            "TimerCreated" => {
                let TimerDetail { fire_at, source } = timer(&self.row)?;
                let source = source.map(|source| SourceLocation::Stored(known(self.place, &source)));
                EventKind::TimerCreated { id: self.task()?, fire_at, source }
            }
            "TimerFired" => EventKind::TimerFired { timer_id: self.task()?, fire_at: timer(&self.row)?.fire_at },
            "EventSent" => {
                let SentDetail { instance, source } = self.detail()?;
                EventKind::EventSent {
                    id: self.task()?,
                    instance: InstanceId::new(instance).map_err(|error| error.to_string())?,
                    name: self.event_name()?,
                    input: self.payload()?,
                    source: source.map(stored),
                }
            }
            "EventRaised" => EventKind::EventRaised { name: self.event_name()?, input: self.payload()? },
            "MarkerRecorded" => EventKind::MarkerRecorded { marker: self.name()?.into_owned() },
            _ => return Err("this version does not know the kind".to_owned()),
        })
    }

    fn scheduled(&mut self) -> Result<EventKind, String> {
        let (options, source) = match self.row.detail.take() {
            Some(json) if json.starts_with('{') => {
                let detail: TaskDetail = serde_json::from_str(&json).map_err(|error| error.to_string())?;
                (detail.options, detail.source.map(stored))
            }
            source => (TaskOptions::default(), source.map(SourceLocation::Stored)),
        };
        Ok(EventKind::TaskScheduled {
            id: self.task()?,
            name: self.function()?,
            input: self.payload()?,
            options,
            source,
        })
    }

    fn child(&mut self) -> Result<EventKind, String> {
        let detail: ChildDetail = self.detail()?;
        let child = ChildStart {
            instance: InstanceId::new(detail.instance).map_err(|error| error.to_string())?,
            name: self.function()?,
            version: detail.version,
            input: self.payload()?,
            tags: detail.tags,
            is_detached: detail.detached,
            start_at: detail.start_at,
        };
        let source = detail.source.map(stored);
        Ok(EventKind::SubOrchestrationInstanceCreated { id: self.task()?, child: Box::new(child), source })
    }

    fn recursive(&self) -> bool {
        self.row.name.as_deref() == Some(RECURSIVE)
    }

    fn event_name(&mut self) -> Result<EventName, String> {
        EventName::new(self.name()?).map_err(|error| error.to_string())
    }

    fn task(&self) -> Result<TaskId, String> {
        self.row.task_id.ok_or_else(|| "it has no task id".to_owned())
    }

    fn name(&mut self) -> Result<Cow<'static, str>, String> {
        self.row.name.take().ok_or_else(|| "it has no name".to_owned())
    }

    fn function(&mut self) -> Result<FunctionName, String> {
        FunctionName::new(self.name()?).map_err(|error| error.to_string())
    }

    fn payload(&mut self) -> Result<Payload, String> {
        self.row.payload.take().ok_or_else(|| "it has no payload".to_owned())
    }

    fn reason(&mut self) -> Option<String> {
        self.row.detail.take().map(|reason| reason.as_ref().to_owned())
    }

    fn detail<T: for<'de> Deserialize<'de>>(&self) -> Result<T, String> {
        let detail = self.row.detail.as_deref().ok_or_else(|| "it has no detail".to_owned())?;
        serde_json::from_str(detail).map_err(|error| error.to_string())
    }
}

fn timer(row: &StoredEvent) -> Result<TimerDetail<'_>, String> {
    let detail = row.detail.as_deref().ok_or_else(|| "it has no detail".to_owned())?;
    timer::read(detail).map_err(|error| error.to_string())
}

/// A text that is shared with the one before, when it is the same.
fn known(last: &mut Option<Arc<str>>, text: &str) -> Arc<str> {
    match last {
        Some(last) if **last == *text => Arc::clone(last),
        _ => Arc::clone(last.insert(text.into())),
    }
}

fn stored(source: String) -> SourceLocation {
    SourceLocation::Stored(source.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ExecutionId;
    use std::time::Duration;

    fn header() -> Arc<ExecutionHeader> {
        let instance = InstanceId::new("i").unwrap();
        let name = FunctionName::new("Say").unwrap();
        Arc::new(ExecutionHeader::new(instance, ExecutionId::from_stored("e"), name, Payload::null()))
    }

    const ID: TaskId = TaskId(3);

    fn json() -> Payload {
        Payload::from_json(r#"{"b": 1, "a":[ ]}"#).unwrap()
    }

    fn source() -> Option<SourceLocation> {
        Some(SourceLocation::Stored("src/a.rs:1:2".into()))
    }

    fn at() -> Timestamp {
        Timestamp::from_ticks(17_145_648_001_234_567)
    }

    fn survives(events: impl IntoIterator<Item = EventKind>) {
        for event in events {
            assert_eq!(decode_event(encode_event(&event), &header()).unwrap(), event);
        }
    }

    #[test]
    fn what_reaches_an_execution_survives_the_row_form() {
        let id = ID;
        let failure = FailureDetails::new("T", "m").caused_by(FailureDetails::new("C", "c"));
        let (result, input) = (json(), json());
        survives([
            EventKind::ExecutionStarted(header()),
            EventKind::ExecutionTerminated { reason: Some("12 monkeys".to_owned()), recursive: false },
            EventKind::ExecutionTerminated { reason: None, recursive: true },
            EventKind::ExecutionSuspended { reason: Some("lunch".to_owned()), recursive: false },
            EventKind::ExecutionResumed { reason: None, recursive: true },
            EventKind::ExecutionRewound { reason: Some("fixed".to_owned()) },
            EventKind::SubOrchestrationInstanceCompleted { task_id: id, result: result.clone() },
            EventKind::SubOrchestrationInstanceFailed { task_id: id, failure: failure.clone() },
            EventKind::TaskCompleted { task_id: id, result },
            EventKind::TaskFailed { task_id: id, failure },
            EventKind::TimerFired { timer_id: id, fire_at: at() },
            EventKind::EventRaised { name: EventName::new("Go").unwrap(), input },
        ]);
    }

    #[test]
    fn calls_survive_the_row_form() {
        let (id, name) = (ID, FunctionName::new("Say").unwrap());
        let retried = TaskOptions {
            attempt: 2,
            first_attempt: Some(TaskId(1)),
            timeout: Some(Duration::from_millis(1_500)),
            heartbeat_timeout: None,
        };
        let child = Box::new(ChildStart {
            instance: InstanceId::new("child").unwrap(),
            name: name.clone(),
            version: Some(Version::new("1.2").unwrap()),
            input: json(),
            tags: Tags::from_stored([("k".to_owned(), "v".to_owned())].into()),
            is_detached: true,
            start_at: Some(at()),
        });
        let scheduled =
            |options| EventKind::TaskScheduled { id, name: name.clone(), input: json(), options, source: source() };
        survives([
            scheduled(TaskOptions::default()),
            scheduled(retried),
            EventKind::SubOrchestrationInstanceCreated { id, child, source: source() },
            EventKind::TimerCreated { id, fire_at: at(), source: source() },
        ]);
    }

    #[test]
    fn other_decisions_survive_the_row_form() {
        let id = ID;
        let ended = |status, result, failure| EventKind::ExecutionCompleted { id, status, result, failure };
        survives([
            ended(RuntimeStatus::Completed, Some(json()), None),
            ended(RuntimeStatus::Failed, None, Some(FailureDetails::new("T", "m"))),
            EventKind::EventSent {
                id,
                instance: InstanceId::new("other").unwrap(),
                name: EventName::new("Go").unwrap(),
                input: json(),
                source: None,
            },
            EventKind::MarkerRecorded { marker: "patch: fees".to_owned() },
            EventKind::TaskCanceled { task_id: id },
        ]);
    }

    #[test]
    fn a_kind_of_the_future_is_an_error_that_names_it() {
        let row = StoredEvent { kind: "TaskTeleported".into(), task_id: None, name: None, payload: None, detail: None };
        let error = decode_event(row, &header()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the stored event TaskTeleported cannot be read: this version does not know the kind"
        );
    }
}
