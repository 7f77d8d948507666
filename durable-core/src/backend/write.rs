//! What the engine writes, and what becomes of it.

use std::collections::BTreeMap;

use super::rows::{ActivityRow, CallId, HistoryRow, InboxRow, InstanceKey, InstanceRow, NewEvent, WorkerId};
use super::shared::{RunnableActivities, RunnableOrchestrators};
use crate::history::StoredEvent;
use crate::model::{Payload, RuntimeStatus, Timestamp};

/// One write of a batch.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Creates an instance. Answered by [`Written::Created`] or [`Written::Exists`]. When the id is taken by this very
    /// execution, the create happened before and is answered in the same way.
    Create(CreateInstance),
    /// Commits a turn. Answered by [`Written::Done`], by [`Written::Committed`] when it reaches other instances or somebody
    /// watches it, or by [`Written::Refused`].
    Turn(Box<TurnCommit>),
    /// Puts a message into an inbox. Answered by [`Written::Queued`], [`Written::NotFound`], [`Written::Finished`] or, when
    /// the activity claim it completes does not hold any more, [`Written::Refused`].
    Message(NewMessage),
    /// Takes an instance over and reads its state and unread messages. When the worker owns it already, this changes
    /// nothing, and what the worker can run does not matter; otherwise it bumps the epoch. Answered by [`Written::Claimed`],
    /// [`Written::Owned`], [`Written::Unfit`], [`Written::NotFound`] or [`Written::Finished`].
    Claim {
        /// The instance.
        key: InstanceKey,
        /// Who takes it.
        worker: WorkerId,
        /// What it can run.
        runs: RunnableOrchestrators,
    },
    /// Takes over instances that have something to do, that no other living worker owns and that the worker can run, as
    /// [`Write::Claim`] does with one. They were never run and have no time to start at, have continued as new and not run
    /// since then, have unread messages, or, in a shared store, have a timer that is due. Those that another transaction is
    /// just changing may be passed over. Answered by [`Written::Taken`].
    ClaimReady {
        /// Who takes them.
        worker: WorkerId,
        /// Only keys above this. They are taken in ascending order.
        after: InstanceKey,
        /// The most to take.
        limit: usize,
        /// What the worker can run.
        runs: RunnableOrchestrators,
        /// Those that the worker owns already are among them: the answer to an earlier write was lost. Otherwise they are not.
        again: bool,
    },
    /// Gives up instances that are not in memory any more, so that whoever gets a message for them may take them over: one
    /// has no owner afterwards when its epoch and its `inbox_seq` fit. Answered by [`Written::Kept`].
    Release(Vec<Release>),
    /// Gives back calls that have not begun: those whose claim holds have no runner afterwards, and whoever takes them does not
    /// count as a further delivery. Answered by [`Written::Done`].
    HandBack(Vec<HeldCall>),
    /// Notes that somebody waits for an instance whose owner is another worker: its first turn and its last one say so. The one
    /// that replaces it inherits this. Answered by [`Written::Done`] or [`Written::NotFound`]. A store that belongs to one
    /// process notes nothing.
    Watch {
        /// The instance id.
        id: String,
    },
    /// Counts an attempt to run an instance that was taken over from a worker that ended without a word. A committed turn
    /// starts the count over. Answered by [`Written::Done`] or [`Written::Refused`].
    Attempt {
        /// The instance.
        key: InstanceKey,
        /// The owner's epoch.
        epoch: u64,
    },
    /// Takes over activities that have no living runner: the first calls of all instances before their later ones, so that an
    /// instance with very many of them keeps nobody waiting. A row that had a runner is delivered once more, unless its runner
    /// was drained. When some hold one of these claim tokens already, because the answer to this very write was lost, it gives
    /// those and takes no others, also when the worker was taken for dead since then. Answered by [`Written::Activities`].
    ClaimActivities {
        /// Who takes them.
        worker: WorkerId,
        /// The claim token of the first; the others follow.
        first_claim: i64,
        /// The most to take.
        limit: usize,
        /// What the worker can run.
        runs: RunnableActivities,
    },
    /// Notes why an instance cannot go on, or that it can again. Its owner lives, so its count of attempts starts over.
    /// Answered by [`Written::Done`], or [`Written::Refused`] when the epoch is another or the instance is finished.
    Stall {
        /// The instance.
        key: InstanceKey,
        /// The owner's epoch.
        epoch: u64,
        /// Why; `None` clears it.
        reason: Option<String>,
    },
    /// Notes the progress of an activity. Answered by [`Written::Done`], or [`Written::Refused`] when the claim does not hold
    /// any more.
    Progress {
        /// The calling instance.
        key: InstanceKey,
        /// The call.
        call: CallId,
        /// The claim under which it runs.
        claim: i64,
        /// The progress.
        progress: Payload,
    },
    /// Takes back the ends of finished instances. It happens for all of them or for none. Answered by
    /// [`Written::Done`] or [`Written::Refused`].
    Rewind(Vec<RewindCommit>),
    /// Removes instances with all their rows; those that are not finished only by force. Answered by [`Written::Purged`].
    Purge {
        /// The instances. Keys that do not exist are passed over.
        keys: Vec<InstanceKey>,
        /// Also those that are not finished.
        force: bool,
    },
    /// Removes finished instances with all their rows, those first that have ended first. Answered by [`Written::Expired`].
    Expire {
        /// The status that they have ended with.
        status: RuntimeStatus,
        /// Only those that last changed at this time or earlier.
        through: Timestamp,
        /// The most to remove. A store stops earlier, but not before the first one, when much hangs on them: other writes
        /// wait for this one.
        limit: usize,
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
    /// The version of its code.
    pub version: Option<String>,
    /// The input.
    pub input: Payload,
    /// The tags.
    pub tags: BTreeMap<String, String>,
    /// What the engine notes about the start, opaque to the store.
    pub origin: Option<String>,
    /// The instance that starts this one.
    pub parent: Option<InstanceKey>,
    /// The call of the parent that waits for the end of this one.
    pub parent_call: Option<CallId>,
    /// The time before which it must not start: the store keeps a timer [`CallId::START`] for it.
    pub start_at: Option<Timestamp>,
    /// When.
    pub now: Timestamp,
    /// Who owns it from the start. One that starts later is owned by nobody.
    pub owner: Option<WorkerId>,
    /// The states in which an existing instance of this id is replaced, all its rows included. One whose parent waits for
    /// its end is replaced only when it is finished.
    pub replace: Vec<RuntimeStatus>,
}

/// An instance that its owner gives up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Release {
    /// The instance.
    pub key: InstanceKey,
    /// The owner's epoch.
    pub epoch: u64,
    /// The last message that a turn has consumed: with unread messages after it the instance keeps its owner. `None` when
    /// the owner reads no messages any more.
    pub inbox_seq: Option<u64>,
    /// Somebody waits for it here, as in [`Write::Watch`].
    pub watched: bool,
}

/// A call that a worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldCall {
    /// The calling instance.
    pub key: InstanceKey,
    /// The call.
    pub call: CallId,
    /// The claim under which the worker has it.
    pub claim: i64,
}

/// A turn. Nothing of it happens unless key, execution, epoch and turn fit the instance row, and the claims of its results hold.
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
    pub activities_gone: Vec<CallId>,
    /// Those of them whose results only this turn brings, each with the claim under which it ran. The turn is refused when
    /// one of these claims does not hold any more: somebody else has run the call then, and its result is on its way or
    /// lies in the inbox. A store that belongs to one process need not look, since nobody else can have run it.
    pub results: Vec<HeldCall>,
    /// Timers that are over: fired or cancelled.
    pub timers_gone: Vec<CallId>,
    /// New calls.
    pub new_activities: Vec<NewActivity>,
    /// New timers.
    pub new_timers: Vec<NewTimer>,
    /// Removes all other calls of the instance too.
    pub drop_activities: bool,
    /// New instances that this one starts.
    pub children: Vec<NewChild>,
    /// Messages to other instances, after the new ones are there. What cannot be delivered is dropped.
    pub messages: Vec<OutgoingMessage>,
    /// The instance goes on in another execution: its history, its timers and unread messages that have a task id are
    /// removed, and it stands before its first turn again.
    pub next: Option<Box<NextExecution>>,
}

impl TurnCommit {
    /// Whether calls end with this turn that have not run to their ends.
    #[must_use]
    pub fn cancels_calls(&self) -> bool {
        self.drop_activities || self.activities_gone.len() > self.results.len()
    }
}

/// An instance that another one starts.
#[derive(Debug, Clone, PartialEq)]
pub struct NewChild {
    /// What to create. Its parent is the instance of the turn, which it never replaces.
    pub create: CreateInstance,
    /// What the inbox of the parent gets when the id is taken.
    pub if_taken: Option<NewEvent>,
}

/// A message that a turn sends.
#[derive(Debug, Clone, PartialEq)]
pub struct OutgoingMessage {
    /// Who gets it.
    pub to: Recipient,
    /// The message.
    pub event: NewEvent,
}

/// Who gets a message. Instances that are finished get none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// The instance with this id, whatever its execution.
    Id(String),
    /// This instance, in this execution only.
    Execution(InstanceKey, String),
    /// The child that this call of the instance of the turn started.
    Child(CallId),
    /// Every child of the instance of the turn whose end it waited for, over all its executions.
    Children,
}

/// How an instance goes on after continue-as-new.
#[derive(Debug, Clone, PartialEq)]
pub struct NextExecution {
    /// The execution.
    pub execution: String,
    /// Its version.
    pub version: Option<String>,
    /// Its input.
    pub input: Payload,
    /// Its number.
    pub generation: u32,
    /// Unread messages that the next execution finds before all others, with their positions in the inbox: positions that
    /// this or an earlier turn has consumed.
    pub carried: Vec<InboxRow>,
}

/// Takes back the end of an instance. Nothing happens unless key, execution, epoch and turn fit the instance row and it is
/// finished.
#[derive(Debug, Clone, PartialEq)]
pub struct RewindCommit {
    /// The instance.
    pub key: InstanceKey,
    /// Its execution, which it keeps.
    pub execution: String,
    /// The epoch at which it was read; it is bumped.
    pub epoch: u64,
    /// The turn at which it stands, and goes on standing.
    pub turn: u64,
    /// When.
    pub now: Timestamp,
    /// The history from its first row on, which replaces all that there is.
    pub history: Vec<HistoryRow>,
    /// What its inbox contains from now on, in order.
    pub inbox: Vec<NewEvent>,
    /// Its calls, waiting for a runner.
    pub activities: Vec<NewActivity>,
    /// Its timers.
    pub timers: Vec<NewTimer>,
    /// Children that are gone and are started again.
    pub children: Vec<NewChild>,
}

impl RewindCommit {
    /// The status that the instance has afterwards.
    #[must_use]
    pub fn status(&self) -> RuntimeStatus {
        if self.history.is_empty() && self.turn == 0 { RuntimeStatus::Pending } else { RuntimeStatus::Running }
    }
}

/// A new call of an activity.
#[derive(Debug, Clone, PartialEq)]
pub struct NewActivity {
    /// The call.
    pub call: CallId,
    /// The activity.
    pub name: String,
    /// Its input.
    pub input: Payload,
    /// How it is to run, opaque to the store.
    pub options: Option<String>,
    /// Who runs it; `None` when whoever has room may take it.
    pub runner: Option<WorkerId>,
    /// The token of the runner's claim.
    pub claim: i64,
}

/// A new timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewTimer {
    /// The timer.
    pub call: CallId,
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
    /// The row that the message stands for, which goes away with its arrival.
    pub completes: Option<Completes>,
}

/// The row that a message stands for. Without the row the message is refused, unless the inbox holds the same kind of message
/// about the same task: then it has arrived before, and is answered in the same way. When the instance is finished, the row
/// goes away nevertheless. So does the row of a call of another execution than the present one, but then the message is
/// refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Completes {
    /// The activity call whose result this is, and the claim under which it ran.
    Activity(CallId, i64),
    /// The timer that fired.
    Timer(CallId),
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
    /// The turn is committed, and reached other instances, or is watched.
    Committed(Box<Committed>),
    /// These instances are removed.
    Purged(Vec<Gone>),
    /// Finished instances were removed because of their age.
    Expired {
        /// Those that are gone.
        gone: Vec<Gone>,
        /// When the oldest of those that are left with this status last changed; `None` when none is left.
        oldest: Option<Timestamp>,
    },
    /// The instance was created.
    Created(Started),
    /// The id is taken by an instance that may not be replaced.
    Exists {
        /// Its status.
        status: RuntimeStatus,
    },
    /// The message lies in the inbox.
    Queued {
        /// The instance.
        key: InstanceKey,
        /// The position in its inbox.
        seq: u64,
        /// The living worker that owns it. A store that belongs to one process names nobody.
        owner: Option<WorkerId>,
    },
    /// There is no such instance.
    NotFound,
    /// The instance is finished.
    Finished {
        /// Its state.
        status: RuntimeStatus,
    },
    /// The instance is owned by the worker that asked.
    Claimed(Box<Claimed>),
    /// The instance is owned by another living worker. Nothing happened.
    Owned {
        /// Whom to tell.
        worker: WorkerId,
    },
    /// The instance has no living owner, and the worker that asked cannot run it. Nothing happened.
    Unfit,
    /// These instances are owned by the worker that asked, by key.
    Taken(Vec<Claimed>),
    /// These instances were not given up: they have unread messages, or their epoch is another.
    Kept(Vec<InstanceKey>),
    /// These calls are claimed.
    Activities(Vec<ActivityRow>),
}

/// An instance that was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its surrogate.
    pub key: InstanceKey,
    /// Its epoch.
    pub epoch: u64,
    /// Who owns it under that epoch. This is another one than was asked for when the answer to the first creation was lost
    /// and it has changed hands since.
    pub owner: Option<WorkerId>,
    /// The instance that it has replaced.
    pub replaced: Option<Gone>,
}

/// An instance that was removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gone {
    /// Its surrogate.
    pub key: InstanceKey,
    /// The living worker that owned it. A store that belongs to one process names nobody.
    pub owner: Option<WorkerId>,
}

/// What a committed turn did to other instances.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Committed {
    /// The new instances, in the order of [`TurnCommit::children`]; `None` where the id was taken.
    pub started: Vec<Option<Started>>,
    /// The messages that lie in an inbox now. Some may be in that of the instance of the turn itself.
    pub arrived: Vec<Arrived>,
    /// The turn was committed before, and its answer was lost: these instances may have got messages from it.
    pub look: Vec<InstanceKey>,
    /// Somebody watches the instance, as in [`Write::Watch`], and this is its first turn or its last one.
    pub watched: bool,
}

/// A message that lies in an inbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrived {
    /// The instance.
    pub key: InstanceKey,
    /// The position in its inbox.
    pub seq: u64,
    /// The message.
    pub event: NewEvent,
    /// The living worker that owns the instance. A store that belongs to one process names nobody.
    pub owner: Option<WorkerId>,
}

/// An instance as its new owner finds it.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its row, with the new epoch.
    pub instance: InstanceRow,
    /// Its unread messages, in order.
    pub inbox: Vec<InboxRow>,
    /// Its timers in a shared store, in any order; earlier knowledge of them counts no more. `None` when the store belongs to
    /// one process, which knows them all.
    pub timers: Option<Vec<NewTimer>>,
    /// It was just taken over from a worker that was not drained: whatever that one did with it may have been its end.
    pub owner_lost: bool,
}
