//! The payloads of a history.

use std::collections::HashMap;
use std::sync::Arc;

use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent};
use durable_core::model::{FailureDetails, Payload, TaskId};
use serde_json::Value;

/// Where a payload stands in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place<'a> {
    /// What the payload is.
    pub kind: PlaceKind,
    /// The activity, orchestrator or event that it belongs to.
    pub name: &'a str,
    /// The index of the recorded event, counted from 0.
    pub event: usize,
}

/// What a payload is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PlaceKind {
    /// The input of the execution.
    Input,
    /// Its output.
    Output,
    /// The typed error with which it failed.
    Error,
    /// The input of an activity.
    ActivityInput,
    /// What an activity returned.
    ActivityResult,
    /// The typed error with which an activity failed.
    ActivityError,
    /// The input of another orchestration that was started.
    ChildInput,
    /// What a child returned.
    ChildResult,
    /// The typed error with which a child failed.
    ChildError,
    /// What was sent to another instance with an event.
    EventSent,
    /// What came with an event.
    EventRaised,
}

/// Which functions stand behind the calls of a history.
#[derive(Default)]
pub(super) struct Calls(HashMap<TaskId, String>);

impl Calls {
    /// Takes note of a call.
    pub(super) fn note(&mut self, kind: &EventKind) {
        match kind {
            EventKind::TaskScheduled { id, name, .. } => self.0.insert(*id, name.to_string()),
            EventKind::SubOrchestrationInstanceCreated { id, child, .. } => self.0.insert(*id, child.name.to_string()),
            _ => None,
        };
    }

    pub(super) fn name(&self, id: TaskId) -> &str {
        self.0.get(&id).map_or("", String::as_str)
    }
}

/// Shows every payload to `change`, and takes over what it changes.
pub(super) fn visit(events: &mut [HistoryEvent], change: &mut dyn FnMut(&Place<'_>, &mut Value)) {
    let mut calls = Calls::default();
    let mut own = String::new();
    for (event, HistoryEvent { kind, .. }) in events.iter_mut().enumerate() {
        calls.note(kind);
        let mut show = |of: PlaceKind, name: &str, payload: &mut Payload| {
            changed(payload, |value| change(&Place { kind: of, name, event }, value));
        };
        match kind {
            EventKind::ExecutionStarted(header) => {
                own = header.name.to_string();
                let mut started = ExecutionHeader::clone(header);
                show(PlaceKind::Input, &own, &mut started.input);
                *header = Arc::new(started);
            }
            EventKind::ExecutionCompleted { result, failure, .. } => {
                result.iter_mut().for_each(|result| show(PlaceKind::Output, &own, result));
                typed(failure).for_each(|error| show(PlaceKind::Error, &own, error));
            }
            EventKind::TaskScheduled { name, input, .. } => show(PlaceKind::ActivityInput, name.as_str(), input),
            EventKind::TaskCompleted { task_id, result } => {
                show(PlaceKind::ActivityResult, calls.name(*task_id), result);
            }
            EventKind::TaskFailed { task_id, failure } => {
                let name = calls.name(*task_id);
                typed(Some(failure)).for_each(|error| show(PlaceKind::ActivityError, name, error));
            }
            EventKind::SubOrchestrationInstanceCreated { child, .. } => {
                let name = child.name.clone();
                show(PlaceKind::ChildInput, name.as_str(), &mut child.input);
            }
            EventKind::SubOrchestrationInstanceCompleted { task_id, result } => {
                show(PlaceKind::ChildResult, calls.name(*task_id), result);
            }
            EventKind::SubOrchestrationInstanceFailed { task_id, failure } => {
                let name = calls.name(*task_id);
                typed(Some(failure)).for_each(|error| show(PlaceKind::ChildError, name, error));
            }
            EventKind::EventSent { name, input, .. } => show(PlaceKind::EventSent, name.as_str(), input),
            EventKind::EventRaised { name, input } => show(PlaceKind::EventRaised, name.as_str(), input),
            _ => {}
        }
    }
}

/// The typed errors of a failure and its causes, with the further facts.
fn typed<'a>(failure: impl IntoIterator<Item = &'a mut FailureDetails>) -> impl Iterator<Item = &'a mut Payload> {
    let mut payloads = Vec::new();
    let mut level = failure.into_iter().next();
    while let Some(FailureDetails { data, properties, inner_failure, .. }) = level {
        payloads.extend(data.iter_mut().chain(properties.values_mut()));
        level = inner_failure.as_deref_mut();
    }
    payloads.into_iter()
}

/// A payload that is not changed keeps its bytes.
fn changed(payload: &mut Payload, change: impl FnOnce(&mut Value)) {
    let Ok(before) = payload.decode::<Value>() else { return };
    let mut after = before.clone();
    change(&mut after);
    if after != before {
        *payload = Payload::encode(&after).unwrap_or_else(|error| unreachable!("JSON has a JSON form: {error}"));
    }
}
