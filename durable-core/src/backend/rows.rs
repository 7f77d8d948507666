//! The rows of a task hub.

use std::collections::BTreeMap;

use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

/// The surrogate of an instance: given out in the order of creation, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct InstanceKey(pub i64);

/// One start of a worker process. It is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerId(pub i64);

/// A worker that was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Attached {
    /// The worker.
    pub worker: WorkerId,
    /// The time of a store that several workers share, by which their leases and timers go; `None` when it belongs to one
    /// process, whose time is that of its engine.
    pub now: Option<Timestamp>,
}

/// A call or a timer of an instance, distinct over all its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub i64);

impl CallId {
    /// The timer of a scheduled start.
    pub const START: Self = Self(i64::MAX);

    /// The task of one execution; the first execution of an instance is its generation 0.
    #[must_use]
    pub const fn new(generation: u32, task: TaskId) -> Self {
        Self(((generation as i64) << 32) | task.0 as i64)
    }

    /// The task within its execution.
    #[must_use]
    pub const fn task(self) -> TaskId {
        TaskId((self.0 & 0xffff_ffff) as u32)
    }

    /// The generation of the execution.
    #[must_use]
    pub const fn generation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

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
    /// The version of its code.
    pub version: Option<String>,
    /// The status. [`RuntimeStatus::ContinuedAsNew`] means that an execution after the first has not had a turn yet.
    pub status: RuntimeStatus,
    /// The input of the current execution.
    pub input: Payload,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// What the engine noted about the start, opaque to the store.
    pub origin: Option<String>,
    /// The instance that started this one.
    pub parent: Option<InstanceKey>,
    /// The call of the parent that waits for the end of this one; `None` for one that was left alone.
    pub parent_call: Option<CallId>,
    /// The time before which it must not start.
    pub start_at: Option<Timestamp>,
    /// How often it has continued as new.
    pub generation: u32,
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
    /// The number of history rows of the current execution.
    pub history_len: u64,
    /// The last position that was given out in its inbox.
    pub inbox_seq: u64,
    /// How often it was tried, after take-overs from lost owners, since its last committed turn.
    pub crashes: u32,
}

/// An instance as its owner finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Owned {
    /// Its row.
    pub instance: InstanceRow,
    /// Its unread messages.
    pub inbox: Vec<InboxRow>,
    /// Its history; `None` for a long one, which is worth a question of its own.
    pub history: Option<Vec<HistoryRow>>,
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
    pub call: CallId,
    /// The activity.
    pub name: String,
    /// Its input.
    pub input: Payload,
    /// How it is to run, opaque to the store.
    pub options: Option<String>,
    /// What it last told about its progress.
    pub progress: Option<Payload>,
    /// Who runs it, or ran it last; `None` when nobody did yet.
    pub runner: Option<WorkerId>,
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
    /// The timer.
    pub call: CallId,
}

/// Which instances a list shall contain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct InstanceFilter {
    /// Only these states; empty means all.
    pub statuses: Vec<RuntimeStatus>,
    /// Only this orchestrator, without regard to ASCII case.
    pub name: Option<String>,
    /// Only this version; `Some(None)` means instances without one.
    pub version: Option<Option<String>>,
    /// Only instances that have all of these tags.
    pub tags: Vec<(String, String)>,
    /// Only instances that this one started.
    pub parent: Option<InstanceKey>,
    /// Only ids that start with this.
    pub id_prefix: Option<String>,
    /// Only instances created at this time or later.
    pub created_from: Option<Timestamp>,
    /// Only instances created at this time or earlier.
    pub created_to: Option<Timestamp>,
    /// Only instances that last changed at this time or later.
    pub updated_from: Option<Timestamp>,
    /// Only instances that last changed at this time or earlier.
    pub updated_to: Option<Timestamp>,
    /// Only ids above this.
    pub after_id: Option<String>,
    /// The most rows.
    pub limit: usize,
}

/// How many instances have the same name, version and status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountRow {
    /// The orchestrator, in the spelling of one of the instances.
    pub name: String,
    /// The version.
    pub version: Option<String>,
    /// The status.
    pub status: RuntimeStatus,
    /// How many.
    pub count: u64,
}
