//! `historyEvents`: the history of an execution as the clients of Durable Functions see it.
//!
//! A completion absorbs the event that scheduled it, starts and ends of turns are left out, and so is every field that
//! is null.

use std::collections::{BTreeMap, HashMap, HashSet};

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{FailureDetails, FunctionName, Payload, TaskId, Timestamp};
use serde::Serialize;

use crate::status_json::Show;

/// One event on the wire. Each kind fills in its own fields.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct ShownEvent<'a> {
    event_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    orchestration_status: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Payload>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure_details: Option<ShownFailure<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fire_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<String>,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduled_time: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    function_name: Option<&'a str>,
    /// The serialized input as a string: a JSON text within the JSON.
    #[serde(skip_serializing_if = "Option::is_none")]
    input: Option<&'a str>,
}

/// An error on the wire.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ShownFailure<'a> {
    error_type: &'a str,
    error_message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    stack_trace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    inner_failure: Option<Box<Self>>,
    is_non_retriable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    properties: Option<&'a BTreeMap<String, Payload>>,
}

impl<'a> ShownFailure<'a> {
    fn new(failure: &'a FailureDetails) -> Self {
        Self {
            error_type: &failure.error_type,
            error_message: &failure.error_message,
            stack_trace: failure.stack_trace.as_deref(),
            inner_failure: failure.inner_failure.as_deref().map(|inner| Box::new(Self::new(inner))),
            is_non_retriable: failure.is_non_retriable,
            properties: Some(&failure.properties).filter(|properties| !properties.is_empty()),
        }
    }
}

/// An activity call, as its completion shows it.
struct Call<'a> {
    time: Timestamp,
    name: &'a FunctionName,
    input: &'a Payload,
}

/// The events that are shown, in the order of the history.
pub(crate) fn project(events: &[HistoryEvent], show: Show) -> Vec<ShownEvent<'_>> {
    let projection = Projection::new(events, show);
    events.iter().filter_map(|event| projection.show(event)).collect()
}

struct Projection<'a> {
    show: Show,
    calls: HashMap<TaskId, Call<'a>>,
    completed: HashSet<TaskId>,
}

impl<'a> Projection<'a> {
    fn new(events: &'a [HistoryEvent], show: Show) -> Self {
        let mut projection = Self { show, calls: HashMap::new(), completed: HashSet::new() };
        for event in events {
            match &event.kind {
                EventKind::TaskScheduled { id, name, input, .. } => {
                    projection.calls.insert(*id, Call { time: event.timestamp, name, input });
                }
                EventKind::TaskCompleted { task_id, .. } | EventKind::TaskFailed { task_id, .. } => {
                    projection.completed.insert(*task_id);
                }
                _ => {}
            }
        }
        projection
    }

    fn show(&self, event: &'a HistoryEvent) -> Option<ShownEvent<'a>> {
        let blank = || ShownEvent {
            event_type: event.kind.name(),
            timestamp: event.timestamp.to_string(),
            ..Default::default()
        };
        Some(match &event.kind {
            EventKind::OrchestratorStarted | EventKind::OrchestratorCompleted => return None,
            EventKind::TaskScheduled { id, .. } if self.completed.contains(id) => return None,
            EventKind::ExecutionStarted(header) => ShownEvent {
                function_name: Some(header.name.as_str()),
                input: self.input(header.input.as_str()),
                ..blank()
            },
            EventKind::ExecutionCompleted { status, result, failure, .. } => ShownEvent {
                orchestration_status: Some(status.as_str()),
                result: result.as_ref().and_then(|result| self.result(result)),
                failure_details: failure.as_ref().map(ShownFailure::new),
                ..blank()
            },
            EventKind::ExecutionTerminated { reason, .. } => {
                ShownEvent { input: reason.as_deref().and_then(|reason| self.input(reason)), ..blank() }
            }
            EventKind::TaskScheduled { name, input, .. } => {
                ShownEvent { name: Some(name.as_str()), input: self.input(input.as_str()), ..blank() }
            }
            EventKind::TaskCompleted { task_id, result } => {
                self.completion(*task_id, ShownEvent { result: self.result(result), ..blank() })
            }
            EventKind::TaskFailed { task_id, failure } => {
                let (reason, failure_details) = (Some(format!("{failure:#}")), Some(ShownFailure::new(failure)));
                self.completion(*task_id, ShownEvent { reason, failure_details, ..blank() })
            }
            EventKind::TaskCanceled { task_id } => {
                ShownEvent { event_type: "GenericEvent", data: Some(self.cancellation(*task_id)), ..blank() }
            }
            EventKind::TimerCreated { fire_at, .. } | EventKind::TimerFired { fire_at, .. } => {
                ShownEvent { fire_at: Some(fire_at.to_string()), ..blank() }
            }
            EventKind::EventRaised { name, input } => {
                ShownEvent { name: Some(name.as_str()), input: self.input(input.as_str()), ..blank() }
            }
            _ => blank(),
        })
    }

    fn completion(&self, id: TaskId, event: ShownEvent<'a>) -> ShownEvent<'a> {
        let Some(call) = self.calls.get(&id) else { return event };
        ShownEvent {
            scheduled_time: Some(call.time.to_string()),
            function_name: Some(call.name.as_str()),
            input: self.input(call.input.as_str()),
            ..event
        }
    }

    /// Our own kind of event, in words: Durable Functions has none for it.
    fn cancellation(&self, id: TaskId) -> String {
        match self.calls.get(&id) {
            Some(call) => format!("TaskCanceled: the call of '{}' was canceled.", call.name),
            None => "TaskCanceled: a timer was canceled.".to_owned(),
        }
    }

    fn input(&self, text: &'a str) -> Option<&'a str> {
        self.show.input.then_some(text)
    }

    fn result(&self, result: &'a Payload) -> Option<&'a Payload> {
        (self.show.history_output && !result.is_null()).then_some(result)
    }
}
