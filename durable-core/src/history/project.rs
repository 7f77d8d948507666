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

/// The records behind the events that users see, with their turns counted from 1. What stands before the first turn is left
/// out.
#[must_use]
pub fn records_of(events: &[HistoryEvent]) -> Vec<HistoryRecord> {
    let (mut records, mut turn, mut turn_time) = (Vec::new(), 0, None);
    for HistoryEvent { timestamp, kind, .. } in events {
        match (kind, turn_time) {
            (EventKind::OrchestratorStarted, _) => {
                turn += 1;
                turn_time = Some(*timestamp);
            }
            (EventKind::OrchestratorCompleted, _) | (_, None) => {}
            (kind, Some(turn_time)) => {
                records.push(HistoryRecord { turn, turn_time, time: *timestamp, kind: kind.clone() });
            }
        }
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;

    #[test]
    fn records_become_events_and_records_again() {
        let record = |turn: u64, marker: &str| {
            let at = |ticks| Timestamp::from_ticks(i64::try_from(turn).unwrap() * 10 + ticks);
            let kind = EventKind::MarkerRecorded { marker: marker.to_owned() };
            HistoryRecord { turn, turn_time: at(0), time: at(1), kind }
        };
        let records = vec![record(1, "a"), record(1, "b"), record(2, "c")];
        assert_eq!(records_of(&project(records.clone())), records);
        let rest = records_of(&project(records.clone())[1..]);
        assert_eq!(rest, [HistoryRecord { turn: 1, ..records[2].clone() }], "it is the first that is whole");
    }
}
