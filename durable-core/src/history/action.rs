//! What an orchestrator decided in a turn.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::EventKind;
use crate::model::{
    EventName, FailureDetails, FunctionName, IdReusePolicy, InstanceId, Payload, RuntimeStatus, SourceLocation, Tags,
    TaskId, Timestamp, Version,
};

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
        /// How it is to run.
        options: TaskOptions,
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
    /// Start another orchestration.
    StartChild {
        /// What to start.
        child: Box<ChildStart>,
        /// What to do when the id is taken.
        id_reuse: IdReusePolicy,
        /// Where the call was made.
        source: SourceLocation,
    },
    /// Send an external event to another instance.
    SendEvent {
        /// The instance.
        instance: InstanceId,
        /// The name of the event.
        name: EventName,
        /// Its payload.
        input: Payload,
        /// Where the call was made.
        source: SourceLocation,
    },
}

impl Action {
    /// Where in the source the code has asked for it.
    #[must_use]
    pub const fn source(&self) -> &SourceLocation {
        match self {
            Self::ScheduleTask { source, .. }
            | Self::CreateTimer { source, .. }
            | Self::StartChild { source, .. }
            | Self::SendEvent { source, .. } => source,
        }
    }
}

/// How an activity is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TaskOptions {
    /// Which attempt of a retried call this is, from 1.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub attempt: u32,
    /// The first attempt of a retried call, in later ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_attempt: Option<TaskId>,
    /// How long one attempt may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How long one attempt may go without a heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub heartbeat_timeout: Option<Duration>,
}

impl Default for TaskOptions {
    fn default() -> Self {
        Self { attempt: 1, first_attempt: None, timeout: None, heartbeat_timeout: None }
    }
}

fn one() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_one(attempt: &u32) -> bool {
    *attempt == 1
}

/// An orchestration that another one starts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChildStart {
    /// Its id.
    pub instance: InstanceId,
    /// The orchestrator.
    pub name: FunctionName,
    /// The version, when the caller asks for one.
    pub version: Option<Version>,
    /// Its input.
    pub input: Payload,
    /// Its own tags, over those that it inherits.
    pub tags: Tags,
    /// True when nobody waits for its end.
    pub is_detached: bool,
    /// When it is to start, if not at once.
    pub start_at: Option<Timestamp>,
}

impl ChildStart {
    /// A child that starts at once and whose end its parent waits for.
    #[must_use]
    pub fn new(instance: InstanceId, name: FunctionName, input: Payload) -> Self {
        Self { instance, name, version: None, input, tags: Tags::new(), is_detached: false, start_at: None }
    }
}

/// How an execution ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Completion {
    /// It returned a value.
    Completed(Payload),
    /// It returned an error or panicked.
    Failed(FailureDetails),
    /// It was terminated, for this reason.
    Terminated(Option<String>),
    /// It starts over.
    ContinuedAsNew(Box<Continuation>),
}

/// How an instance goes on after continue-as-new.
#[derive(Debug, Clone, PartialEq)]
pub struct Continuation {
    /// The input of the next execution.
    pub input: Payload,
    /// Its version, when it changes.
    pub version: Option<Version>,
    /// What reached the execution and goes over to the next one, in the order of arrival: external events that nobody has
    /// waited for, and whatever came after the end.
    pub carried: Vec<EventKind>,
}

impl Completion {
    /// The state that the execution takes.
    #[must_use]
    pub const fn status(&self) -> RuntimeStatus {
        match self {
            Self::Completed(_) => RuntimeStatus::Completed,
            Self::Failed(_) => RuntimeStatus::Failed,
            Self::Terminated(_) => RuntimeStatus::Terminated,
            Self::ContinuedAsNew(_) => RuntimeStatus::ContinuedAsNew,
        }
    }
}
