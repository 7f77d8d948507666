//! The rows of a task hub.

use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

/// The surrogate of an instance: given out in the order of creation, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct InstanceKey(pub i64);

/// One start of a worker process. It is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub i64);

/// An event that has not got its place in a history or an inbox yet.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// When it happened.
    pub time: Timestamp,
    /// What happened.
    pub event: StoredEvent,
}

/// A row of the history.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRow {
    /// The position, counted from 1.
    pub seq: u64,
    /// The turn that committed it.
    pub turn: u64,
    /// The time of that turn.
    pub turn_time: Timestamp,
    /// When the event happened.
    pub time: Timestamp,
    /// The event.
    pub event: StoredEvent,
}

/// A row of the inbox: a message that no turn has consumed.
#[derive(Debug, Clone, PartialEq)]
pub struct InboxRow {
    /// The position within the instance; it only grows.
    pub seq: u64,
    /// When the message arrived.
    pub time: Timestamp,
    /// The message.
    pub event: StoredEvent,
}

/// A row of the instances.
#[derive(Debug, Clone, PartialEq)]
pub struct InstanceRow {
    /// The surrogate.
    pub key: InstanceKey,
    /// The instance id.
    pub id: String,
    /// The execution id.
    pub execution: String,
    /// The orchestrator.
    pub name: String,
    /// The status.
    pub status: RuntimeStatus,
    /// The input of the current execution.
    pub input: Payload,
    /// The custom status.
    pub custom_status: Option<Payload>,
    /// The output.
    pub output: Option<Payload>,
    /// The failure as JSON, or the text of a termination.
    pub reason: Option<String>,
    /// Why the instance cannot go on at present.
    pub stalled: Option<String>,
    /// When the instance was created.
    pub created: Timestamp,
    /// When the instance last changed.
    pub updated: Timestamp,
    /// How often the instance changed hands.
    pub epoch: u64,
    /// The last turn that was committed; 0 before the first.
    pub turn: u64,
    /// The time of that turn.
    pub turn_time: Timestamp,
    /// The number of history rows.
    pub history_len: u64,
    /// How often it was tried, after take-overs from lost owners, since its last committed turn.
    pub crashes: u32,
}

/// A row of the activities: a call whose result no turn has consumed.
#[derive(Debug, Clone, PartialEq)]
pub struct ActivityRow {
    /// The calling instance.
    pub key: InstanceKey,
    /// Its id.
    pub instance: String,
    /// Its execution.
    pub execution: String,
    /// The call.
    pub task_id: TaskId,
    /// The activity.
    pub name: String,
    /// Its input.
    pub input: Payload,
    /// The token of the present claim; every claim has another.
    pub claim: i64,
    /// How often the call was handed to a runner, counting this time.
    pub deliveries: u32,
}

/// A row of the timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimerRow {
    /// When it is due.
    pub fire_at: Timestamp,
    /// The instance.
    pub key: InstanceKey,
    /// The timer within the execution.
    pub task_id: TaskId,
}

/// Which instances a list shall contain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceFilter {
    /// Only these states; empty means all.
    pub statuses: Vec<RuntimeStatus>,
    /// Only this orchestrator, without regard to ASCII case.
    pub name: Option<String>,
    /// Only ids that start with this.
    pub id_prefix: Option<String>,
    /// Only instances created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only instances created at this time or earlier.
    pub created_to: Option<Timestamp>,
    /// Only ids above this.
    pub after_id: Option<String>,
    /// The most rows.
    pub limit: usize,
}
