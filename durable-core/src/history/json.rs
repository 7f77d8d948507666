//! The JSON form of events: what a history looks like outside of a store.
//!
//! An event is one flat object with the columns of its [stored form](super::StoredEvent), and stays readable as long as that
//! does: fields may be added, and none changes its meaning.

use std::borrow::Cow;
use std::sync::Arc;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser};
use serde_json::value::RawValue;

use super::codec::decode_with;
use super::{EventKind, ExecutionHeader, HistoryEvent, ParentInstance, StoredEvent, encode_event};
use crate::model::{ExecutionId, FunctionName, InstanceId, Payload, Tags, TaskId, Timestamp, TraceContext, Version};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EventJson {
    event_id: i64,
    timestamp: Timestamp,
    event_type: Cow<'static, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<TaskId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<Cow<'static, str>>,
    /// Any JSON, so that `null` is a payload and not the absence of one.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    payload: Option<Payload>,
    /// A string for a text, an object for JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    detail: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    header: Option<HeaderJson>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct HeaderJson {
    instance: String,
    execution: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    version: Option<Version>,
    input: Payload,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    parent: Option<ParentJson>,
    #[serde(default, skip_serializing_if = "Tags::is_empty")]
    tags: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    trace: Option<TraceContext>,
    #[serde(default)]
    generation: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scheduled_start: Option<Timestamp>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ParentJson {
    instance: String,
    execution: String,
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    task_id: Option<TaskId>,
    depth: u32,
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Payload>, D::Error> {
    Payload::deserialize(deserializer).map(Some)
}

impl Serialize for HistoryEvent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let StoredEvent { kind, task_id, name, payload, detail } = encode_event(&self.kind);
        let detail = detail.map(|detail| shown(&self.kind, &detail)).transpose().map_err(ser::Error::custom)?;
        let header = match &self.kind {
            EventKind::ExecutionStarted(header) => Some(HeaderJson::of(header)),
            _ => None,
        };
        let (event_id, timestamp) = (self.event_id, self.timestamp);
        EventJson { event_id, timestamp, event_type: kind, task_id, name, payload, detail, header }
            .serialize(serializer)
    }
}

/// A reason is a text even when it looks like an object.
fn shown(kind: &EventKind, detail: &str) -> serde_json::Result<Box<RawValue>> {
    let is_reason = matches!(
        kind,
        EventKind::ExecutionTerminated { .. }
            | EventKind::ExecutionSuspended { .. }
            | EventKind::ExecutionResumed { .. }
            | EventKind::ExecutionRewound { .. }
    );
    if detail.starts_with('{') && !is_reason {
        RawValue::from_string(detail.to_owned())
    } else {
        serde_json::value::to_raw_value(detail)
    }
}

impl<'de> Deserialize<'de> for HistoryEvent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let EventJson { event_id, timestamp, event_type, task_id, name, payload, detail, header } =
            EventJson::deserialize(deserializer)?;
        let kind = match &*event_type {
            "OrchestratorStarted" => EventKind::OrchestratorStarted,
            "OrchestratorCompleted" => EventKind::OrchestratorCompleted,
            _ => {
                let detail = detail.map(|detail| stored(&detail)).transpose().map_err(D::Error::custom)?;
                let header = header.map(HeaderJson::read).transpose().map_err(D::Error::custom)?;
                let row = StoredEvent { kind: event_type, task_id, name, payload, detail: detail.map(Into::into) };
                decode_with(row, header.as_ref()).map_err(D::Error::custom)?
            }
        };
        Ok(Self { event_id, timestamp, kind })
    }
}

fn stored(detail: &RawValue) -> serde_json::Result<String> {
    if detail.get().starts_with('"') { serde_json::from_str(detail.get()) } else { Ok(detail.get().to_owned()) }
}

impl HeaderJson {
    fn of(header: &ExecutionHeader) -> Self {
        Self {
            instance: header.instance.to_string(),
            execution: header.execution.to_string(),
            name: header.name.to_string(),
            version: header.version.clone(),
            input: header.input.clone(),
            parent: header.parent.as_ref().map(ParentJson::of),
            tags: header.tags.clone(),
            trace: header.trace.clone(),
            generation: header.generation,
            scheduled_start: header.scheduled_start,
        }
    }

    fn read(self) -> Result<Arc<ExecutionHeader>, String> {
        Ok(Arc::new(ExecutionHeader {
            instance: instance(self.instance)?,
            execution: ExecutionId::from_stored(&self.execution),
            name: function(self.name)?,
            version: self.version,
            input: self.input,
            parent: self.parent.map(ParentJson::read).transpose()?,
            tags: self.tags,
            trace: self.trace,
            generation: self.generation,
            scheduled_start: self.scheduled_start,
        }))
    }
}

impl ParentJson {
    fn of(parent: &ParentInstance) -> Self {
        Self {
            instance: parent.instance.to_string(),
            execution: parent.execution.to_string(),
            name: parent.name.to_string(),
            task_id: parent.task_id,
            depth: parent.depth,
        }
    }

    fn read(self) -> Result<ParentInstance, String> {
        Ok(ParentInstance {
            instance: instance(self.instance)?,
            execution: ExecutionId::from_stored(&self.execution),
            name: function(self.name)?,
            task_id: self.task_id,
            depth: self.depth,
        })
    }
}

fn instance(id: String) -> Result<InstanceId, String> {
    InstanceId::new(id).map_err(|error| error.to_string())
}

fn function(name: String) -> Result<FunctionName, String> {
    FunctionName::new(name).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{ChildStart, TaskOptions};
    use crate::model::{EventName, FailureDetails, RuntimeStatus, SourceLocation};

    const ID: TaskId = TaskId(3);

    fn at() -> Timestamp {
        Timestamp::from_ticks(17_145_648_001_234_567)
    }

    fn event(kind: EventKind) -> HistoryEvent {
        HistoryEvent { event_id: kind.action_id().map_or(-1, |id| i64::from(id.0)), timestamp: at(), kind }
    }

    fn null() -> Payload {
        Payload::null()
    }

    fn source() -> Option<SourceLocation> {
        Some(SourceLocation::Stored("src/a.rs:1:2".into()))
    }

    fn header() -> ExecutionHeader {
        let instance = InstanceId::new("i").unwrap();
        let name = FunctionName::new("Say").unwrap();
        ExecutionHeader {
            version: Some(Version::new("1.2").unwrap()),
            parent: Some(ParentInstance {
                instance: InstanceId::new("above").unwrap(),
                execution: ExecutionId::from_stored("x"),
                name: name.clone(),
                task_id: Some(ID),
                depth: 2,
            }),
            tags: Tags::from_stored([("k".to_owned(), "v".to_owned())].into()),
            trace: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".parse().ok(),
            generation: 4,
            scheduled_start: Some(at()),
            ..ExecutionHeader::new(instance, ExecutionId::from_stored("e"), name, null())
        }
    }

    #[test]
    fn every_kind_of_event_survives_the_json_form() {
        let failure = || FailureDetails::new("T", "m").caused_by(FailureDetails::new("C", "c"));
        let name = || FunctionName::new("Say").unwrap();
        let go = || EventName::new("Go").unwrap();
        let input = Payload::from_json(r#"{"b": 1, "a":[ ]}"#).unwrap();
        let options = TaskOptions { attempt: 2, ..TaskOptions::default() };
        let scheduled =
            |options, source| EventKind::TaskScheduled { id: ID, name: name(), input: null(), options, source };
        let child = Box::new(ChildStart::new(InstanceId::new("child").unwrap(), name(), input.clone()));
        let (completed, failed) = (RuntimeStatus::Completed, RuntimeStatus::Failed);
        for kind in [
            EventKind::OrchestratorStarted,
            EventKind::OrchestratorCompleted,
            EventKind::ExecutionStarted(Arc::new(header())),
            EventKind::ExecutionCompleted { id: ID, status: completed, result: Some(null()), failure: None },
            EventKind::ExecutionCompleted { id: ID, status: failed, result: None, failure: Some(failure()) },
            EventKind::ExecutionTerminated { reason: Some("{\"not\": \"a detail\"}".to_owned()), recursive: true },
            EventKind::ExecutionSuspended { reason: Some("\"quoted\"".to_owned()), recursive: false },
            EventKind::ExecutionResumed { reason: None, recursive: true },
            EventKind::ExecutionRewound { reason: Some(String::new()) },
            scheduled(TaskOptions::default(), source()),
            scheduled(TaskOptions::default(), None),
            scheduled(options, source()),
            EventKind::TaskCompleted { task_id: ID, result: null() },
            EventKind::TaskFailed { task_id: ID, failure: failure() },
            EventKind::TaskCanceled { task_id: ID },
            EventKind::SubOrchestrationInstanceCreated { id: ID, child, source: source() },
            EventKind::SubOrchestrationInstanceCompleted { task_id: ID, result: input.clone() },
            EventKind::SubOrchestrationInstanceFailed { task_id: ID, failure: failure() },
            EventKind::TimerCreated { id: ID, fire_at: at(), source: source() },
            EventKind::TimerFired { timer_id: ID, fire_at: at() },
            EventKind::EventSent {
                id: ID,
                instance: InstanceId::new("other").unwrap(),
                name: go(),
                input: input.clone(),
                source: source(),
            },
            EventKind::EventRaised { name: go(), input: input.clone() },
            EventKind::MarkerRecorded { marker: "patch".to_owned() },
        ] {
            let event = event(kind);
            let text = serde_json::to_string(&event).unwrap();
            assert_eq!(serde_json::from_str::<HistoryEvent>(&text).unwrap(), event, "{text}");
        }
    }

    #[test]
    fn the_json_form_stays_as_it_is() {
        let called = event(EventKind::TimerCreated { id: ID, fire_at: at(), source: source() });
        let expected =
            r#"{"eventId":3,"timestamp":"2024-05-01T12:00:00.1234567Z","eventType":"TimerCreated","taskId":3,"#
                .to_owned()
                + r#""detail":{"fireAt":"2024-05-01T12:00:00.1234567Z","source":"src/a.rs:1:2"}}"#;
        assert_eq!(serde_json::to_string(&called).unwrap(), expected);
        let raised = event(EventKind::EventRaised { name: EventName::new("Go").unwrap(), input: null() });
        let expected = r#"{"eventId":-1,"timestamp":"2024-05-01T12:00:00.1234567Z","eventType":"EventRaised","name":"Go","payload":null}"#;
        assert_eq!(serde_json::to_string(&raised).unwrap(), expected);
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let read = |text: &str| serde_json::from_str::<HistoryEvent>(text);
        let base = r#""eventId":-1,"timestamp":"2024-05-01T12:00:00Z""#;
        for rest in [
            r#""eventType":"ExecutionStarted","name":"Say""#,
            r#""eventType":"FromTheFuture""#,
            r#""eventType":"TaskCompleted","taskId":1"#,
            r#""eventType":"EventRaised","name":"","payload":1"#,
        ] {
            assert!(read(&format!("{{{base},{rest}}}")).is_err(), "{rest}");
        }
    }
}
