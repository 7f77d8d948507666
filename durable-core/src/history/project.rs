//! From stored records to the events that users see.

use super::{EventKind, HistoryEvent, HistoryRecord};

/// Adds the start and the end of each turn, and the event ids.
#[must_use]
pub fn project(records: Vec<HistoryRecord>) -> Vec<HistoryEvent> {
    let mut events = Vec::with_capacity(records.len() * 2);
    let mut open = None;
    for HistoryRecord { turn, turn_time, time, kind } in records {
        if open.is_none_or(|(other, _)| other != turn) {
            if let Some((_, ended)) = open.replace((turn, turn_time)) {
                events.push(HistoryEvent { event_id: -1, timestamp: ended, kind: EventKind::OrchestratorCompleted });
            }
            events.push(HistoryEvent { event_id: -1, timestamp: turn_time, kind: EventKind::OrchestratorStarted });
        }
        let event_id = kind.action_id().map_or(-1, |id| i64::from(id.0));
        events.push(HistoryEvent { event_id, timestamp: time, kind });
    }
    if let Some((_, ended)) = open {
        events.push(HistoryEvent { event_id: -1, timestamp: ended, kind: EventKind::OrchestratorCompleted });
    }
    events
}
