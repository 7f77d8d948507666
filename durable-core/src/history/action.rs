//! What an orchestrator decided in a turn.

use crate::model::{FailureDetails, FunctionName, Payload, RuntimeStatus, SourceLocation, Timestamp};

/// One action of an orchestrator. Its sequence number stands beside it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Action {
    /// Run an activity.
    ScheduleTask {
        /// The activity.
        name: FunctionName,
        /// Its input.
        input: Payload,
        /// Where the call was made.
        source: SourceLocation,
    },
    /// Set a timer.
    CreateTimer {
        /// When it is due.
        fire_at: Timestamp,
        /// Where it was set.
        source: SourceLocation,
    },
}

/// How an orchestrator ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Completion {
    /// It returned a value.
    Completed(Payload),
    /// It returned an error or panicked.
    Failed(FailureDetails),
    /// It was terminated, for this reason.
    Terminated(Option<String>),
}

impl Completion {
    /// The state that the instance takes.
    #[must_use]
    pub const fn status(&self) -> RuntimeStatus {
        match self {
            Self::Completed(_) => RuntimeStatus::Completed,
            Self::Failed(_) => RuntimeStatus::Failed,
            Self::Terminated(_) => RuntimeStatus::Terminated,
        }
    }
}
