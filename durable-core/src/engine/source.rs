//! The seam between workers and engines.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::activity::ActivityCallInfo;
use crate::backend::{BackendError, CallId, InstanceKey};
use crate::history::{CorruptHistory, ExecutionHeader, HistoryRecord, TaskOptions};
use crate::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, Version, VersionSet};
use crate::replay::{LeafResult, TurnInput, TurnOutcome};

/// Where a worker takes its work from and gives its outcomes to.
///
/// Work is leased: an outcome counts only while its lease holds, and a lease that was lost tells so when it is used.
/// Retries, event buffering, waits and determinism checks are the business of the worker; the source stores what it is
/// told and delivers what arrives.
#[async_trait]
pub trait WorkSource: Send + Sync + 'static {
    /// Says what the worker can run. Until then there is no work.
    ///
    /// # Errors
    ///
    /// The source cannot be reached.
    async fn open(&self, offer: WorkOffer) -> Result<(), SourceError>;

    /// The next turn to run; `None` when there will be none any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no turn.
    async fn next_turn(&self) -> Option<TurnWork>;

    /// The next activity to run; `None` when there will be none any more.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no activity.
    async fn next_activity(&self) -> Option<ActivityWork>;

    /// The committed history of the leased instance, for a worker that does not hold it warm.
    ///
    /// # Errors
    ///
    /// The lease is lost, or the history cannot be read.
    async fn read_history(&self, lease: &TurnLease) -> Result<Vec<HistoryRecord>, SourceError>;

    /// Commits a turn. `told` hears what became of it: without an error, the turn is durable. When the lease is lost, the turn
    /// did not happen, and whatever the worker holds of the instance is worthless. Must not block; `told` must not, either.
    fn complete_turn(&self, lease: TurnLease, outcome: TurnOutcome, told: TurnTold);

    /// Gives a turn back that cannot be run by this program, with the reason. It comes again after `retry_after`.
    ///
    /// # Errors
    ///
    /// The lease is lost.
    async fn stall_turn(&self, lease: TurnLease, reason: String, retry_after: Duration) -> Result<(), SourceError>;

    /// Asks for a turn of an instance although nothing reached it: its code was woken by something foreign.
    async fn nudge(&self, instance: &InstanceId);

    /// Gives the result of an activity. With `goes_on`, the answer is the turn that follows from it, if there is one, and
    /// nothing else has waited longer: the worker that is already here can run it at once.
    ///
    /// # Errors
    ///
    /// The lease is lost: the result is not wanted any more, or another runner was first.
    fn complete_activity(
        &self,
        lease: ActivityLease,
        result: LeafResult,
        goes_on: bool,
    ) -> Result<Option<TurnWork>, SourceError>;

    /// Notes the progress of an activity, durably. A later run of the same call finds it.
    ///
    /// # Errors
    ///
    /// The lease is lost: the result is not wanted any more.
    async fn heartbeat(&self, lease: &ActivityLease, progress: Payload) -> Result<(), SourceError>;

    /// Gives an activity back that was not run, or not to its end. It runs again, here or elsewhere.
    async fn abandon_activity(&self, work: ActivityWork);
}

/// Hears what became of a turn.
pub type TurnTold = Box<dyn FnOnce(Result<(), SourceError>) + Send>;

/// Runs an orchestrator's code against a history, and says where they differ. Nothing comes of it.
pub type Rehearsal = Arc<dyn Fn(&Arc<ExecutionHeader>, &[HistoryRecord]) -> Result<(), FailureDetails> + Send + Sync>;

/// What a worker can run.
#[derive(Clone, Default)]
pub struct WorkOffer {
    /// The orchestrators that it knows, each with its versions in ascending order.
    pub orchestrators: Vec<(FunctionName, Vec<Option<Version>>)>,
    /// The version in which new instances start when nobody asks for one.
    pub default_version: Option<Version>,
    /// How to try an orchestrator's code before a rewind.
    pub rehearsal: Option<Rehearsal>,
    /// Of the instances in a store that it shares with others, it leaves those of other versions to them.
    pub takes: VersionSet,
    /// The activities that it knows.
    pub activities: Vec<FunctionName>,
    /// How many activities it runs at once.
    pub max_activities: usize,
}

impl fmt::Debug for WorkOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorkOffer")
            .field("orchestrators", &self.orchestrators)
            .field("default_version", &self.default_version)
            .field("takes", &self.takes)
            .field("activities", &self.activities)
            .field("max_activities", &self.max_activities)
            .finish_non_exhaustive()
    }
}

/// The right to decide one turn of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TurnLease {
    pub(super) key: InstanceKey,
    pub(super) token: u64,
}

impl TurnLease {
    /// A number that no other instance has.
    #[must_use]
    pub const fn number(&self) -> i64 {
        self.key.0
    }
}

/// One turn to run.
#[derive(Debug, Clone)]
pub struct TurnWork {
    /// The right to decide it.
    pub lease: TurnLease,
    /// Whose turn it is.
    pub header: Arc<ExecutionHeader>,
    /// How often the instance has changed hands. What a worker holds warm from an earlier time is worthless.
    pub epoch: u64,
    /// The turn that the instance stands at. A worker that holds the instance warm at this turn feeds it `input`; any other
    /// replays the history first.
    pub prior_turn: u64,
    /// The turn's number, time and new events.
    pub input: TurnInput,
}

/// The right to complete one activity call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivityLease {
    pub(super) key: InstanceKey,
    pub(super) execution: ExecutionId,
    pub(super) call: CallId,
    pub(super) claim: i64,
}

/// One activity to run.
#[derive(Debug, Clone)]
pub struct ActivityWork {
    /// The right to complete it.
    pub lease: ActivityLease,
    /// Which call it is.
    pub call: ActivityCallInfo,
    /// Its input.
    pub input: Payload,
    /// How it is to run.
    pub options: TaskOptions,
    /// What an earlier run of the same call told about its progress.
    pub progress: Option<Payload>,
    /// Fires when the result is no longer wanted.
    pub cancellation: CancellationToken,
}

/// Why a work source refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SourceError {
    /// The lease does not hold any more.
    #[error("the lease does not hold any more")]
    LeaseLost,
    /// The source is closed.
    #[error("the work source is closed")]
    Closed,
    /// The store failed.
    #[error("the store failed")]
    Backend(#[from] BackendError),
    /// The history cannot be read.
    #[error("the history cannot be read")]
    Corrupt(#[from] CorruptHistory),
}
