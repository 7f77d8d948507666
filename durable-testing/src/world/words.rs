//! Events and times as text that is the same in every run.

use std::time::Duration;

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{FailureDetails, Payload, SourceLocation, TaskId, Timestamp};

/// What an event is about.
#[derive(Debug, Clone)]
pub(super) struct Said {
    pub(super) kind: &'static str,
    /// The call to which it belongs.
    pub(super) task: Option<TaskId>,
    /// What it names: a function, an external event, a reason, how long a timer runs.
    pub(super) subject: Option<String>,
    /// What it carries.
    pub(super) payload: Option<Payload>,
}

impl Said {
    /// What an event of this history says. A completion names the function that was called.
    pub(super) fn by(event: &HistoryEvent, history: &[HistoryEvent]) -> Self {
        let said = |task: Option<TaskId>, subject: Option<String>, payload: Option<&Payload>| Self {
            kind: event.kind.name(),
            task,
            subject,
            payload: payload.cloned(),
        };
        let called = |task: TaskId| history.iter().find_map(|event| function(&event.kind, task));
        match &event.kind {
            EventKind::ExecutionStarted(header) => said(None, Some(header.name.to_string()), Some(&header.input)),
            EventKind::ExecutionCompleted { status, result, failure, .. } => {
                let payload = result.clone().or_else(|| failure.as_ref().map(message));
                said(None, Some(status.to_string()), payload.as_ref())
            }
            EventKind::ExecutionTerminated { reason, .. }
            | EventKind::ExecutionSuspended { reason, .. }
            | EventKind::ExecutionResumed { reason, .. }
            | EventKind::ExecutionRewound { reason } => said(None, reason.clone(), None),
            EventKind::TaskScheduled { id, name, input, .. } => said(Some(*id), Some(name.to_string()), Some(input)),
            EventKind::TaskCompleted { task_id, result }
            | EventKind::SubOrchestrationInstanceCompleted { task_id, result } => {
                said(Some(*task_id), called(*task_id), Some(result))
            }
            EventKind::TaskFailed { task_id, failure }
            | EventKind::SubOrchestrationInstanceFailed { task_id, failure } => {
                said(Some(*task_id), called(*task_id), Some(&message(failure)))
            }
            EventKind::TaskCanceled { task_id } => said(Some(*task_id), called(*task_id), None),
            EventKind::SubOrchestrationInstanceCreated { id, child, .. } => {
                said(Some(*id), Some(child.name.to_string()), Some(&child.input))
            }
            EventKind::TimerCreated { id, fire_at, .. } => {
                said(Some(*id), Some(span(fire_at.saturating_since(event.timestamp))), None)
            }
            EventKind::TimerFired { timer_id, .. } => {
                let set = history.iter().find(|event| event.kind.action_id() == Some(*timer_id));
                said(Some(*timer_id), set.and_then(|set| Self::by(set, &[]).subject), None)
            }
            EventKind::EventSent { id, name, input, .. } => said(Some(*id), Some(name.to_string()), Some(input)),
            EventKind::EventRaised { name, input } => said(None, Some(name.to_string()), Some(input)),
            EventKind::MarkerRecorded { marker } => said(None, Some(marker.clone()), None),
            _ => said(None, None, None),
        }
    }

    /// One line without a time.
    pub(super) fn line(&self) -> String {
        let mut line = self.kind.to_owned();
        if let Some(task) = self.task {
            line += &format!(" #{}", task.0);
        }
        for part in [self.subject.clone(), self.payload.as_ref().map(ToString::to_string)].into_iter().flatten() {
            line += " ";
            line += &part;
        }
        line
    }
}

/// The function behind a call.
fn function(event: &EventKind, task: TaskId) -> Option<String> {
    match event {
        EventKind::TaskScheduled { id, name, .. } if *id == task => Some(name.to_string()),
        EventKind::SubOrchestrationInstanceCreated { id, child, .. } if *id == task => Some(child.name.to_string()),
        _ => None,
    }
}

/// What a failure says, without what belongs to one build only.
fn message(failure: &FailureDetails) -> Payload {
    Payload::encode(&failure.error_message).unwrap_or_else(|_| Payload::null())
}

/// Where in the source an action was asked for.
pub(super) fn source(event: &EventKind) -> Option<&SourceLocation> {
    match event {
        EventKind::TaskScheduled { source, .. }
        | EventKind::SubOrchestrationInstanceCreated { source, .. }
        | EventKind::TimerCreated { source, .. }
        | EventKind::EventSent { source, .. } => source.as_ref(),
        _ => None,
    }
}

/// True for the bounds of turns, which say nothing about what was done.
pub(super) fn bounds_a_turn(event: &EventKind) -> bool {
    matches!(event, EventKind::OrchestratorStarted | EventKind::OrchestratorCompleted)
}

/// A time as it is seen from `start`: `+3d 00:00:01`.
pub(super) fn after(start: Timestamp, time: Timestamp) -> String {
    span(time.saturating_since(start))
}

/// How much time passes: `+3d 00:00:01`, with milliseconds where there are any.
pub(super) fn span(time: Duration) -> String {
    let (seconds, milliseconds) = (time.as_secs(), time.subsec_millis());
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    let text = format!("+{days}d {hours:02}:{minutes:02}:{:02}", seconds % 60);
    if milliseconds == 0 { text } else { format!("{text}.{milliseconds:03}") }
}

/// Replaces generated ids by numbers, in the order in which they are seen.
#[derive(Debug, Default)]
pub(super) struct Numbers(Vec<String>);

impl Numbers {
    /// The text with `<id 1>` instead of the first generated id, and so on.
    pub(super) fn text(&mut self, text: &str) -> String {
        let is_of_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
        let mut result = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(begin) = rest.find(is_of_word) {
            let end = rest[begin..].find(|letter| !is_of_word(letter)).map_or(rest.len(), |length| begin + length);
            result += &rest[..begin];
            let word = &rest[begin..end];
            // The id of a child names the execution of its parent with 8 digits between colons.
            let of_execution = word.len() == 8
                && word.bytes().all(|byte| byte.is_ascii_hexdigit())
                && (result.ends_with(':') && rest[end..].starts_with(':'));
            if is_generated(word) || of_execution {
                let known = self.0.iter().position(|id| id == word);
                let number = known.unwrap_or_else(|| {
                    self.0.push(word.to_owned());
                    self.0.len() - 1
                });
                result += &format!("<id {}>", number + 1);
            } else {
                result += word;
            }
            rest = &rest[end..];
        }
        result + rest
    }
}

/// 32 hexadecimal digits, with or without the hyphens of a UUID.
fn is_generated(word: &str) -> bool {
    let digits = word.bytes().filter(u8::is_ascii_hexdigit).count();
    let hyphens: Vec<_> = word.bytes().enumerate().filter(|(_, byte)| *byte == b'-').map(|(at, _)| at).collect();
    digits == 32 && digits + hyphens.len() == word.len() && (hyphens.is_empty() || hyphens == [8, 13, 18, 23])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn generated_ids_get_numbers() {
        let mut numbers = Numbers::default();
        let (a, b) = ("0123456789abcdef0123456789abcdef", "01234567-89ab-cdef-0123-456789abcdef");
        assert_eq!(numbers.text(&format!("{a}:1 {b} order-5 \"{a}\"")), "<id 1>:1 <id 2> order-5 \"<id 1>\"");
        assert_eq!(numbers.text(a), "<id 1>");
        assert_eq!(numbers.text("order-5:89abcdef:0001, 89abcdef"), "order-5:<id 3>:0001, 89abcdef");
        assert_eq!(numbers.text("0123456789abcdef0123456789abcdef0"), "0123456789abcdef0123456789abcdef0");
    }

    #[test]
    fn times_are_short() {
        assert_eq!(span(Duration::from_secs(3 * 86_400 + 1)), "+3d 00:00:01");
        assert_eq!(span(Duration::from_millis(3_600_005)), "+0d 01:00:00.005");
    }
}
