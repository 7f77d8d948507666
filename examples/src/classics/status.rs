//! The state of an instance as the .NET client gives it to its functions: another shape than that of the management API.

use durable_core::client::InstanceStatus;
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{Payload, Timestamp};
use serde::Serialize;

/// What is shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shown {
    pub(super) input: bool,
    pub(super) history: bool,
    pub(super) history_output: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Status {
    name: String,
    instance_id: String,
    created_time: Timestamp,
    last_updated_time: Timestamp,
    input: Option<Payload>,
    output: Option<Payload>,
    runtime_status: u8,
    custom_status: Option<Payload>,
    history: Option<Vec<Event>>,
}

/// What people want to know of an event.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Event {
    event_type: &'static str,
    timestamp: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Payload>,
}

impl Status {
    pub(super) fn new(status: InstanceStatus, history: Option<Vec<HistoryEvent>>, show: Shown) -> Self {
        let reason =
            status.termination_reason.as_ref().or(status.failure.as_ref().map(|failure| &failure.error_message));
        let output = status.output.or_else(|| reason.and_then(|text| Payload::encode(text).ok()));
        Self {
            name: status.name.to_string(),
            instance_id: status.instance_id.to_string(),
            created_time: status.created_at,
            last_updated_time: status.last_updated_at,
            input: show.input.then_some(status.input),
            output,
            runtime_status: status.runtime_status.code(),
            custom_status: status.custom_status,
            history: history.map(|events| events.into_iter().map(|event| Event::new(event, show)).collect()),
        }
    }
}

impl Event {
    fn new(event: HistoryEvent, show: Shown) -> Self {
        let event_type = event.kind.name();
        let result = match event.kind {
            EventKind::TaskCompleted { result, .. } if show.history_output => Some(result),
            _ => None,
        };
        Self { event_type, timestamp: event.timestamp, result }
    }
}
