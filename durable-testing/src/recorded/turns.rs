//! From the events that users see back to the records that a replay takes.

use std::ops::Range;
use std::sync::Arc;

use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent, HistoryRecord};

use super::error::{RecordingError, RecordingErrorKind};

/// One turn of a recorded history.
pub(super) struct Turn {
    /// Its records.
    pub(super) records: Vec<HistoryRecord>,
    /// Where they stand among the events, without the start and the end of the turn.
    pub(super) events: Range<usize>,
}

/// The turns of a history, counted from 1.
pub(super) fn turns(events: &[HistoryEvent]) -> Result<Vec<Turn>, RecordingError> {
    let mut turns: Vec<Turn> = Vec::new();
    let mut now = None;
    for (at, event) in events.iter().enumerate() {
        match &event.kind {
            EventKind::OrchestratorStarted => {
                now = Some(event.timestamp);
                turns.push(Turn { records: Vec::new(), events: at + 1..at + 1 });
            }
            EventKind::OrchestratorCompleted => now = None,
            kind => {
                let number = turns.len() as u64;
                let (Some(turn_time), Some(turn)) = (now, turns.last_mut()) else {
                    return Err(incomplete("an event stands outside of every turn"));
                };
                turn.events.end = at + 1;
                turn.records.push(HistoryRecord { turn: number, turn_time, time: event.timestamp, kind: kind.clone() });
            }
        }
    }
    Ok(turns)
}

/// What the execution was started with.
pub(super) fn header(events: &[HistoryEvent]) -> Result<&Arc<ExecutionHeader>, RecordingError> {
    if events.is_empty() {
        return Err(incomplete("there is no event yet, so record the instance after its first turn"));
    }
    let header = events.iter().find_map(|event| match &event.kind {
        EventKind::ExecutionStarted(header) => Some(header),
        _ => None,
    });
    header.ok_or_else(|| incomplete("the event ExecutionStarted is missing"))
}

fn incomplete(problem: &'static str) -> RecordingError {
    RecordingError::new(RecordingErrorKind::Incomplete { problem })
}
