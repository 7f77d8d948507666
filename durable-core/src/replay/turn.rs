//! What goes into a turn and what comes out of it.

use crate::history::{Action, Completion, EventKind};
use crate::model::{EventName, Payload, SourceLocation, TaskId, Timestamp};

/// The new events of one turn.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnInput {
    /// The number of the turn, counted from 1 within the instance.
    pub turn: u64,
    /// The orchestrator's "now" during the turn.
    pub time: Timestamp,
    /// What reached the instance, in the order of arrival.
    pub events: Vec<EventKind>,
}

/// What an execution waits for between two turns.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Waits {
    /// Calls, timers and children that are not complete, ascending.
    pub tasks: Vec<TaskId>,
    /// The folded names of external events that the code waits for, in alphabetical order.
    pub events: Vec<String>,
    /// External events that have come and that nobody has waited for, in the order of arrival.
    pub unread: Vec<EventName>,
    /// Where the code has waited for external events so far, each place once.
    pub places: Vec<(EventName, SourceLocation)>,
}

/// What the orchestrator decided in one turn.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TurnOutcome {
    /// New actions with the sequence numbers that the orchestrator's calls were given, ascending.
    pub actions: Vec<(TaskId, Action)>,
    /// Actions of this or earlier turns whose handles were dropped, ascending.
    pub canceled: Vec<TaskId>,
    /// Those of them that stand for children, ascending.
    pub canceled_children: Vec<TaskId>,
    /// Calls of this or earlier turns whose handles were dropped in this turn, and that were never awaited, ascending.
    pub unawaited: Vec<TaskId>,
    /// Decisions that the code took for good, in the order in which it took them.
    pub markers: Vec<String>,
    /// What reached the instance and goes on to its children, in order.
    pub for_children: Vec<EventKind>,
    /// The instance is paused after the turn. What it decided before the pause waits for its end.
    pub is_suspended: bool,
    /// Every task that is still open goes with the end of the instance, also detached ones: it was terminated, or cannot
    /// be trusted any more.
    pub drop_tasks: bool,
    /// The custom status as it stands after the turn.
    pub custom_status: Option<Payload>,
    /// How the orchestrator ended, with the sequence number of its end.
    pub completion: Option<(TaskId, Completion)>,
}
