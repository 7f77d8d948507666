//! What reaches an instance, and the rows it is stored in.

use crate::backend::HistoryRow;
use crate::history::{CorruptHistory, EventKind, ExecutionHeader, HistoryRecord, decode_event};
use crate::model::{TaskId, Timestamp};

/// Reads the rows of a history.
pub(super) fn records(rows: Vec<HistoryRow>, header: &ExecutionHeader) -> Result<Vec<HistoryRecord>, CorruptHistory> {
    let record = |row: HistoryRow| {
        let kind = decode_event(row.event, header)?;
        Ok(HistoryRecord { turn: row.turn, turn_time: row.turn_time, time: row.time, kind })
    };
    rows.into_iter().map(record).collect()
}

/// One event on its way to an instance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) time: Timestamp,
    pub(super) event: EventKind,
    pub(super) origin: Origin,
}

impl Message {
    /// True for what ends an instance without its code.
    pub(super) fn is_termination(&self) -> bool {
        matches!(self.event, EventKind::ExecutionTerminated { .. })
    }
}

/// The row that the consuming turn removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The instance row itself: its first turn.
    Start,
    /// A row of the inbox.
    Inbox(u64),
    /// The row of a call whose result was handed over in memory.
    Activity {
        /// The call.
        task: TaskId,
        /// The claim under which it ran.
        claim: i64,
    },
    /// The row of a timer.
    Timer(TaskId),
}
