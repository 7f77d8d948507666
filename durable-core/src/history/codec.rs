//! The stored form of events: one row each, readable with a database shell.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::EventKind;
use crate::model::{
    EventName, ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, SourceLocation, TaskId,
    Timestamp,
};

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
    pub detail: Option<String>,
}

/// What the instance row knows and the `ExecutionStarted` row does not repeat.
#[derive(Debug, Clone)]
pub struct ExecutionHeader {
    /// The instance.
    pub instance: InstanceId,
    /// Its current execution.
    pub execution: ExecutionId,
    /// Its input.
    pub input: Payload,
}

/// A stored event that this program cannot read: written by a newer version, or damaged.
#[derive(Debug, thiserror::Error)]
#[error("the stored event {kind} cannot be read: {problem}")]
pub struct CorruptHistory {
    kind: String,
    problem: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TimerDetail {
    fire_at: Timestamp,
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
        EventKind::ExecutionStarted { name, .. } => row.name = owned(name.as_str()),
        EventKind::ExecutionCompleted { id, status, result, failure } => {
            row.task_id = Some(*id);
            row.name = Some(Cow::Borrowed(status.as_str()));
            row.payload.clone_from(result);
            row.detail = failure.as_ref().map(to_json);
        }
        EventKind::ExecutionTerminated { reason } => row.detail.clone_from(reason),
        EventKind::TaskScheduled { id, name, input, source } => {
            row.task_id = Some(*id);
            row.name = owned(name.as_str());
            row.payload = Some(input.clone());
            row.detail = source.as_ref().map(ToString::to_string);
        }
        EventKind::TaskCompleted { task_id, result } => {
            row.task_id = Some(*task_id);
            row.payload = Some(result.clone());
        }
        EventKind::TaskFailed { task_id, failure } => {
            row.task_id = Some(*task_id);
            row.detail = Some(to_json(failure));
        }
        EventKind::TaskCanceled { task_id } => row.task_id = Some(*task_id),
        EventKind::TimerCreated { id, fire_at, source } => {
            row.task_id = Some(*id);
            row.detail =
                Some(to_json(&TimerDetail { fire_at: *fire_at, source: source.as_ref().map(ToString::to_string) }));
        }
        EventKind::TimerFired { timer_id, fire_at } => {
            row.task_id = Some(*timer_id);
            row.detail = Some(to_json(&TimerDetail { fire_at: *fire_at, source: None }));
        }
        EventKind::EventRaised { name, input } => {
            row.name = owned(name.as_str());
            row.payload = Some(input.clone());
        }
    }
    row
}

fn owned(text: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Owned(text.to_owned()))
}

fn to_json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_else(|error| format!("\"{error}\""))
}

/// Reads a row back.
///
/// # Errors
///
/// [`CorruptHistory`] when a column is missing or cannot be read, or when the kind is unknown.
pub fn decode_event(row: StoredEvent, header: &ExecutionHeader) -> Result<EventKind, CorruptHistory> {
    let kind = row.kind.clone();
    Columns(row).decode(header).map_err(|problem| CorruptHistory { kind: kind.into_owned(), problem })
}

struct Columns(StoredEvent);

impl Columns {
    fn decode(mut self, header: &ExecutionHeader) -> Result<EventKind, String> {
        Ok(match &*self.0.kind.clone() {
            "ExecutionStarted" => EventKind::ExecutionStarted {
                instance: header.instance.clone(),
                execution: header.execution.clone(),
                name: self.function()?,
                input: header.input.clone(),
            },
            "ExecutionCompleted" => EventKind::ExecutionCompleted {
                id: self.task()?,
                status: self.name()?.parse::<RuntimeStatus>().map_err(|error| error.to_string())?,
                result: self.0.payload.take(),
                failure: self.0.detail.is_some().then(|| self.detail()).transpose()?,
            },
            "ExecutionTerminated" => EventKind::ExecutionTerminated { reason: self.0.detail.take() },
            "TaskScheduled" => EventKind::TaskScheduled {
                id: self.task()?,
                name: self.function()?,
                input: self.payload()?,
                source: self.0.detail.take().map(|text| SourceLocation::Stored(text.into())),
            },
            "TaskCompleted" => EventKind::TaskCompleted { task_id: self.task()?, result: self.payload()? },
            "TaskFailed" => EventKind::TaskFailed { task_id: self.task()?, failure: self.detail::<FailureDetails>()? },
            "TaskCanceled" => EventKind::TaskCanceled { task_id: self.task()? },
            "TimerCreated" => {
                let TimerDetail { fire_at, source } = self.detail()?;
                let source = source.map(|text| SourceLocation::Stored(text.into()));
                EventKind::TimerCreated { id: self.task()?, fire_at, source }
            }
            "TimerFired" => {
                EventKind::TimerFired { timer_id: self.task()?, fire_at: self.detail::<TimerDetail>()?.fire_at }
            }
            "EventRaised" => EventKind::EventRaised {
                name: EventName::new(self.name()?).map_err(|error| error.to_string())?,
                input: self.payload()?,
            },
            _ => return Err("this version does not know the kind".to_owned()),
        })
    }

    fn task(&self) -> Result<TaskId, String> {
        self.0.task_id.ok_or_else(|| "it has no task id".to_owned())
    }

    fn name(&mut self) -> Result<Cow<'static, str>, String> {
        self.0.name.take().ok_or_else(|| "it has no name".to_owned())
    }

    fn function(&mut self) -> Result<FunctionName, String> {
        FunctionName::new(self.name()?).map_err(|error| error.to_string())
    }

    fn payload(&mut self) -> Result<Payload, String> {
        self.0.payload.take().ok_or_else(|| "it has no payload".to_owned())
    }

    fn detail<T: for<'de> Deserialize<'de>>(&self) -> Result<T, String> {
        let detail = self.0.detail.as_deref().ok_or_else(|| "it has no detail".to_owned())?;
        serde_json::from_str(detail).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> ExecutionHeader {
        ExecutionHeader {
            instance: InstanceId::new("i").unwrap(),
            execution: ExecutionId::from_stored("e"),
            input: Payload::null(),
        }
    }

    #[test]
    fn every_kind_survives_the_row_form() {
        let name = FunctionName::new("Say").unwrap();
        let at = Timestamp::from_ticks(17_145_648_001_234_567);
        let id = TaskId(3);
        let failure = FailureDetails::new("T", "m").caused_by(FailureDetails::new("C", "c"));
        let json = Payload::from_json(r#"{"b": 1, "a":[ ]}"#).unwrap();
        let source = Some(SourceLocation::Stored("src/a.rs:1:2".into()));
        let header = header();
        let events = [
            EventKind::ExecutionStarted {
                instance: header.instance.clone(),
                execution: header.execution.clone(),
                name: name.clone(),
                input: Payload::null(),
            },
            EventKind::ExecutionCompleted {
                id,
                status: RuntimeStatus::Completed,
                result: Some(json.clone()),
                failure: None,
            },
            EventKind::ExecutionCompleted {
                id,
                status: RuntimeStatus::Failed,
                result: None,
                failure: Some(failure.clone()),
            },
            EventKind::ExecutionTerminated { reason: Some("12 monkeys".to_owned()) },
            EventKind::ExecutionTerminated { reason: None },
            EventKind::TaskScheduled { id, name, input: json.clone(), source: source.clone() },
            EventKind::TaskCompleted { task_id: id, result: json.clone() },
            EventKind::TaskFailed { task_id: id, failure },
            EventKind::TaskCanceled { task_id: id },
            EventKind::TimerCreated { id, fire_at: at, source },
            EventKind::TimerFired { timer_id: id, fire_at: at },
            EventKind::EventRaised { name: EventName::new("Go").unwrap(), input: json },
        ];
        for event in events {
            assert_eq!(decode_event(encode_event(&event), &header).unwrap(), event);
        }
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
