//! Comparing a recorded turn with what the code does now.

use super::fault::{NonDeterminism, Side};
use super::turn::TurnOutcome;
use crate::history::{Action, ChildStart, Completion, EventKind};
use crate::model::{FailureDetails, InstanceId, Payload, RuntimeStatus, TaskId};

/// Checks that `produced` is exactly what `recorded`, the action events of one turn, say.
pub(super) fn compare<'a>(
    turn: u64,
    recorded: impl Iterator<Item = &'a EventKind>,
    produced: &TurnOutcome,
) -> Result<(), Box<NonDeterminism>> {
    let mut actions = produced.actions.iter().peekable();
    let mut canceled = produced.canceled.iter().peekable();
    let mut completion = produced.completion.as_ref();
    let differ = |task_id, recorded, produced| Err(Box::new(NonDeterminism { turn, task_id, recorded, produced }));
    for event in recorded {
        match event {
            EventKind::MarkerRecorded { .. } => {}
            EventKind::TaskCanceled { task_id } => {
                if canceled.next() != Some(task_id) {
                    return differ(Some(*task_id), Some(recorded_side(event)), None);
                }
            }
            EventKind::ExecutionCompleted { id, .. } => match completion.take() {
                Some((own, end)) if own == id && same_end(event, end) => {}
                Some((_, end)) => return differ(Some(*id), Some(recorded_side(event)), Some(end_side(end))),
                None => return differ(Some(*id), Some(recorded_side(event)), None),
            },
            _ => match actions.peek() {
                Some((id, action)) if Some(*id) == event.action_id() && same_action(event, action) => {
                    actions.next();
                }
                Some((id, action)) if event.action_id().is_none_or(|recorded| *id <= recorded) => {
                    let recorded = (Some(*id) == event.action_id()).then(|| recorded_side(event));
                    return differ(Some(*id), recorded, Some(action_side(action)));
                }
                _ => {
                    return differ(
                        event.action_id(),
                        Some(recorded_side(event)),
                        completion.map(|(_, end)| end_side(end)),
                    );
                }
            },
        }
    }
    if let Some((id, action)) = actions.next() {
        return differ(Some(*id), None, Some(action_side(action)));
    }
    if let Some(id) = canceled.next() {
        return differ(Some(*id), None, Some(cancel_side(*id)));
    }
    match completion {
        Some((id, end)) => differ(Some(*id), None, Some(end_side(end))),
        None => Ok(()),
    }
}

/// Checks that the code asked for every recorded decision in the same order. Decisions have no sequence numbers.
pub(super) fn compare_markers<'a>(
    turn: u64,
    recorded: impl Iterator<Item = &'a EventKind>,
    produced: &TurnOutcome,
    is_waived: impl Fn(&str) -> bool,
) -> Result<(), Box<NonDeterminism>> {
    let recorded = recorded.filter_map(|event| match event {
        EventKind::MarkerRecorded { marker } => Some(marker),
        _ => None,
    });
    let mut produced = produced.markers.iter().filter(|marker| !is_waived(marker));
    for marker in recorded.filter(|marker| !is_waived(marker)) {
        let now = produced.next();
        if now != Some(marker) {
            let (recorded, produced) = (Some(marker_side(marker)), now.map(|marker| marker_side(marker)));
            return Err(Box::new(NonDeterminism { turn, task_id: None, recorded, produced }));
        }
    }
    Ok(())
}

fn same_action(recorded: &EventKind, action: &Action) -> bool {
    match (recorded, action) {
        (EventKind::TaskScheduled { name, input, .. }, Action::ScheduleTask { name: now, input: now_input, .. }) => {
            name == now && input.same_value(now_input)
        }
        (EventKind::TimerCreated { fire_at, .. }, Action::CreateTimer { fire_at: now, .. }) => fire_at == now,
        (EventKind::SubOrchestrationInstanceCreated { child: then, .. }, Action::StartChild { child: now, .. }) => {
            then.name == now.name
                && then.instance == now.instance
                && then.input.same_value(&now.input)
                && then.version == now.version
                && then.is_detached == now.is_detached
        }
        (
            EventKind::EventSent { instance, name, input, .. },
            Action::SendEvent { instance: now_instance, name: now_name, input: now_input, .. },
        ) => instance == now_instance && name == now_name && input.same_value(now_input),
        _ => false,
    }
}

fn same_end(recorded: &EventKind, end: &Completion) -> bool {
    let EventKind::ExecutionCompleted { status, result, .. } = recorded else { return false };
    *status == end.status()
        && match (end, result) {
            (Completion::Completed(now), Some(then)) => then.same_value(now),
            _ => true,
        }
}

fn recorded_side(event: &EventKind) -> Side {
    let (what, source) = match event {
        EventKind::TaskScheduled { name, input, source, .. } => (call_text(name.as_str(), input), source.clone()),
        EventKind::SubOrchestrationInstanceCreated { child, source, .. } => (child_text(child), source.clone()),
        EventKind::EventSent { instance, name, input, source, .. } => {
            (sent_text(instance, name.as_str(), input), source.clone())
        }
        EventKind::TimerCreated { fire_at, source, .. } => (format!("a timer for {fire_at}"), source.clone()),
        EventKind::TaskCanceled { task_id } => return cancel_side(*task_id),
        EventKind::ExecutionCompleted { status, failure, .. } => (end_text(*status, failure.as_ref()), None),
        other => (other.name().to_owned(), None),
    };
    Side { what, source }
}

fn action_side(action: &Action) -> Side {
    let (what, source) = match action {
        Action::ScheduleTask { name, input, source, .. } => (call_text(name.as_str(), input), source),
        Action::CreateTimer { fire_at, source } => (format!("a timer for {fire_at}"), source),
        Action::StartChild { child, source, .. } => (child_text(child), source),
        Action::SendEvent { instance, name, input, source } => (sent_text(instance, name.as_str(), input), source),
    };
    Side { what, source: Some(source.clone()) }
}

fn cancel_side(task_id: TaskId) -> Side {
    Side { what: format!("the cancellation of {task_id}, whose handle was dropped"), source: None }
}

pub(super) fn end_side(end: &Completion) -> Side {
    let failure = match end {
        Completion::Failed(failure) => Some(failure),
        _ => None,
    };
    Side { what: end_text(end.status(), failure), source: None }
}

/// Code that fails where it went on before mostly says itself what has changed.
fn end_text(status: RuntimeStatus, failure: Option<&FailureDetails>) -> String {
    let why = failure.map(|failure| format!(", {}: {failure:#}", failure.error_type)).unwrap_or_default();
    format!("the end of the orchestration as {status}{why}")
}

fn marker_side(marker: &str) -> Side {
    let what = match marker.strip_prefix("patch:") {
        Some(id) => format!("the use of patch '{id}'"),
        None => format!("the decision '{marker}'"),
    };
    Side { what, source: None }
}

fn call_text(name: &str, input: &Payload) -> String {
    format!("activity '{name}' with input {}", shown(input))
}

fn child_text(child: &ChildStart) -> String {
    let what = if child.is_detached { "the start of orchestration" } else { "child orchestration" };
    let version = child.version.as_ref().map(|version| format!(" in version {version}")).unwrap_or_default();
    format!("{what} '{}'{version} as instance '{}' with input {}", child.name, child.instance, shown(&child.input))
}

fn sent_text(instance: &InstanceId, name: &str, input: &Payload) -> String {
    format!("event '{name}' to instance '{instance}' with payload {}", shown(input))
}

fn shown(input: &Payload) -> String {
    const SHOWN: usize = 120;
    let input = input.as_str();
    match input.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &input[..end]),
        None => input.to_owned(),
    }
}
