//! What the engine writes, and what becomes of it.

use super::rows::{ActivityRow, InboxRow, InstanceKey, InstanceRow, NewEvent, WorkerId};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, TaskId, Timestamp};

/// One write of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Creates an instance. Answered by [`Written::Created`] or [`Written::Exists`]. When the id is taken by this very
    /// execution, the create happened before and is answered in the same way.
    Create(CreateInstance),
    /// Commits a turn. Answered by [`Written::Done`] or [`Written::Refused`].
    Turn(Box<TurnCommit>),
    /// Puts a message into an inbox. Answered by [`Written::Queued`], [`Written::NotFound`], [`Written::Finished`] or, when
    /// the activity claim it completes does not hold any more, [`Written::Refused`].
    Message(NewMessage),
    /// Takes an instance over and reads its state and unread messages. When the worker owns it already, this changes
    /// nothing; otherwise it bumps the epoch. Answered by [`Written::Claimed`], [`Written::NotFound`] or
    /// [`Written::Finished`].
    Claim {
        /// The instance.
        key: InstanceKey,
        /// Who takes it.
        worker: WorkerId,
    },
    /// Counts an attempt to run an instance that was taken over from a worker that ended without a word. A committed turn
    /// starts the count over. Answered by [`Written::Done`] or [`Written::Refused`].
    Attempt {
        /// The instance.
        key: InstanceKey,
        /// The owner's epoch.
        epoch: u64,
    },
    /// Takes over activities that have no living runner, in the order of their rows. A row that had a runner is delivered
    /// once more, unless its runner was drained. Rows that hold one of these claim tokens already, because the answer to
    /// this very write was lost, are among them. Answered by [`Written::Activities`].
    ClaimActivities {
        /// Who takes them.
        worker: WorkerId,
        /// The claim token of the first; the others follow.
        first_claim: i64,
        /// The most to take.
        limit: usize,
    },
    /// Notes why an instance cannot go on, or that it can again. Its owner lives, so its count of attempts starts over.
    /// Answered by [`Written::Done`] or [`Written::Refused`].
    Stall {
        /// The instance.
        key: InstanceKey,
        /// The owner's epoch.
        epoch: u64,
        /// Why; `None` clears it.
        reason: Option<String>,
    },
}

/// A new instance.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateInstance {
    /// The instance id.
    pub id: String,
    /// The execution id.
    pub execution: String,
    /// The orchestrator.
    pub name: String,
    /// The input.
    pub input: Payload,
    /// When.
    pub now: Timestamp,
    /// Who owns it from the start.
    pub owner: Option<WorkerId>,
    /// The states in which an existing instance of this id is replaced, all its rows included.
    pub replace: Vec<RuntimeStatus>,
}

/// A turn. Nothing of it happens unless key, execution, epoch and turn fit the instance row.
#[derive(Debug, Clone, PartialEq)]
pub struct TurnCommit {
    /// The instance.
    pub key: InstanceKey,
    /// Its execution.
    pub execution: String,
    /// The epoch under which the owner holds it.
    pub epoch: u64,
    /// The number of this turn. It fits when the row stands at the one before; when the row stands at this very turn, the
    /// turn is applied already.
    pub turn: u64,
    /// The time of this turn.
    pub turn_time: Timestamp,
    /// The status after the turn.
    pub status: RuntimeStatus,
    /// The custom status after the turn; `None` leaves it as it is.
    pub custom_status: Option<Payload>,
    /// The output.
    pub output: Option<Payload>,
    /// The failure as JSON, or the text of a termination.
    pub reason: Option<String>,
    /// The position of the first new history row.
    pub first_seq: u64,
    /// The new history rows, in order.
    pub history: Vec<NewEvent>,
    /// All inbox rows up to this one are consumed.
    pub inbox_through: u64,
    /// Calls that are over: completed or cancelled.
    pub activities_gone: Vec<TaskId>,
    /// Timers that are over: fired or cancelled.
    pub timers_gone: Vec<TaskId>,
    /// New calls.
    pub new_activities: Vec<NewActivity>,
    /// New timers.
    pub new_timers: Vec<NewTimer>,
    /// Removes all other calls of the instance too.
    pub drop_activities: bool,
}

/// A new call of an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct NewActivity {
    /// The call.
    pub task_id: TaskId,
    /// The activity.
    pub name: String,
    /// Its input.
    pub input: Payload,
    /// Who runs it; `None` when whoever has room may take it.
    pub runner: Option<WorkerId>,
    /// The token of the runner's claim.
    pub claim: i64,
}

/// A new timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTimer {
    /// The timer.
    pub task_id: TaskId,
    /// When it is due.
    pub fire_at: Timestamp,
}

/// A message to an instance that is not finished.
#[derive(Debug, Clone, PartialEq)]
pub struct NewMessage {
    /// The instance.
    pub to: MessageTarget,
    /// When it was sent.
    pub time: Timestamp,
    /// The message.
    pub event: StoredEvent,
    /// The activity call whose result this is, and the claim under which it ran. Its row goes away with the message's
    /// arrival. Without the row the message is refused, unless the inbox holds the same kind of result of the call: then the
    /// message has arrived before, and is answered in the same way. When the instance is finished, the row goes away
    /// nevertheless.
    pub completes: Option<(TaskId, i64)>,
}

/// How a message names its instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageTarget {
    /// By id, whatever the execution.
    Id(String),
    /// By surrogate, in one execution only.
    Execution(InstanceKey, String),
}

/// What became of a write.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Written {
    /// It happened, now or before.
    Done,
    /// Its fence did not hold; nothing happened.
    Refused,
    /// The instance was created.
    Created {
        /// Its surrogate.
        key: InstanceKey,
        /// Its epoch.
        epoch: u64,
    },
    /// The id is taken.
    Exists {
        /// The state of the instance that has it.
        status: RuntimeStatus,
    },
    /// The message lies in the inbox.
    Queued {
        /// The instance.
        key: InstanceKey,
        /// The position in its inbox.
        seq: u64,
    },
    /// There is no such instance.
    NotFound,
    /// The instance is finished.
    Finished {
        /// Its state.
        status: RuntimeStatus,
    },
    /// The instance is owned.
    Claimed(Box<Claimed>),
    /// These calls are claimed.
    Activities(Vec<ActivityRow>),
}

/// An instance as its new owner finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its row, with the new epoch.
    pub instance: InstanceRow,
    /// Its unread messages, in order.
    pub inbox: Vec<InboxRow>,
    /// It was just taken over from a worker that was not drained: whatever that one did with it may have been its end.
    pub owner_lost: bool,
}
