//! The events of a history.

use std::sync::Arc;

use super::{ChildStart, ExecutionHeader, TaskOptions};
use crate::model::{
    EventName, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, SourceLocation, TaskId, Timestamp,
};

/// One event as users of the history see it.
///
/// `event_id` is the sequence number of the orchestrator's action that the event records, and -1 for every other event.
/// A completion points back to its action with the id inside its [`EventKind`].
///
/// Its JSON form is an object with `eventId`, `timestamp` and `eventType`, the name of its kind, and where there is one
/// `taskId`, `name`, `payload`, `detail` and, at the start of an execution, `header`. It loses nothing, and later versions
/// can read it.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEvent {
    /// The sequence number of the recorded action, or -1.
    pub event_id: i64,
    /// When it happened. For [`EventKind::OrchestratorStarted`] this is the `ctx.now()` of what follows.
    pub timestamp: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// One event as it is stored: with the turn that committed it.
///
/// Starts and ends of turns are not stored; [`project`](super::project) makes them from the turn numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecord {
    /// The turn that committed the event, counted from 1 within the instance.
    pub turn: u64,
    /// The time of that turn: the orchestrator's "now".
    pub turn_time: Timestamp,
    /// When the event happened.
    pub time: Timestamp,
    /// What happened.
    pub kind: EventKind,
}

/// What an event says.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum EventKind {
    /// A turn begins; its timestamp is the orchestrator's "now".
    OrchestratorStarted,
    /// A turn ends.
    OrchestratorCompleted,
    /// The execution was started.
    ExecutionStarted(Arc<ExecutionHeader>),
    /// The execution is over.
    ExecutionCompleted {
        /// The sequence number of the completion.
        id: TaskId,
        /// How it ended.
        status: RuntimeStatus,
        /// The output of a completed execution.
        result: Option<Payload>,
        /// The error of a failed one.
        failure: Option<FailureDetails>,
    },
    /// A client asked for the instance's end.
    ExecutionTerminated {
        /// Why.
        reason: Option<String>,
        /// Its children shall end too.
        recursive: bool,
    },
    /// A client asked the instance to pause. What reaches it from now on waits until it is resumed.
    ExecutionSuspended {
        /// Why.
        reason: Option<String>,
        /// Its children shall pause too.
        recursive: bool,
    },
    /// A client asked the instance to go on.
    ExecutionResumed {
        /// Why.
        reason: Option<String>,
        /// Its children shall go on too.
        recursive: bool,
    },
    /// A client took back the failure of the instance: it goes on from before it.
    ExecutionRewound {
        /// Why.
        reason: Option<String>,
    },
    /// An activity was called.
    TaskScheduled {
        /// The sequence number of the call.
        id: TaskId,
        /// The activity.
        name: FunctionName,
        /// Its input.
        input: Payload,
        /// How it is to run.
        options: TaskOptions,
        /// Where the call was made.
        source: Option<SourceLocation>,
    },
    /// An activity returned a value.
    TaskCompleted {
        /// The call.
        task_id: TaskId,
        /// The value.
        result: Payload,
    },
    /// An activity failed.
    TaskFailed {
        /// The call.
        task_id: TaskId,
        /// The error.
        failure: FailureDetails,
    },
    /// A call, child or timer is no longer wanted: its handle was dropped.
    TaskCanceled {
        /// The call, child or timer.
        task_id: TaskId,
    },
    /// Another orchestration was started.
    SubOrchestrationInstanceCreated {
        /// The sequence number of the call.
        id: TaskId,
        /// What was started.
        child: Box<ChildStart>,
        /// Where the call was made.
        source: Option<SourceLocation>,
    },
    /// A child returned a value.
    SubOrchestrationInstanceCompleted {
        /// The call.
        task_id: TaskId,
        /// The value.
        result: Payload,
    },
    /// A child failed, was terminated, or could not be started.
    SubOrchestrationInstanceFailed {
        /// The call.
        task_id: TaskId,
        /// The error.
        failure: FailureDetails,
    },
    /// A timer was set.
    TimerCreated {
        /// The sequence number of the timer.
        id: TaskId,
        /// When it is due.
        fire_at: Timestamp,
        /// Where it was set.
        source: Option<SourceLocation>,
    },
    /// A timer fired.
    TimerFired {
        /// The timer.
        timer_id: TaskId,
        /// When it was due.
        fire_at: Timestamp,
    },
    /// An external event was sent to another instance.
    EventSent {
        /// The sequence number of the call.
        id: TaskId,
        /// The instance.
        instance: InstanceId,
        /// The name of the event.
        name: EventName,
        /// Its payload.
        input: Payload,
        /// Where the call was made.
        source: Option<SourceLocation>,
    },
    /// An external event arrived.
    EventRaised {
        /// The name of the event.
        name: EventName,
        /// Its payload.
        input: Payload,
    },
    /// The code took a decision that later code must take in the same way.
    MarkerRecorded {
        /// What was decided.
        marker: String,
    },
}

impl EventKind {
    /// The name of the event type in Durable Functions.
    ///
    /// [`EventKind::TaskCanceled`] and [`EventKind::MarkerRecorded`] have no counterpart there; they are our own.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrchestratorStarted => "OrchestratorStarted",
            Self::OrchestratorCompleted => "OrchestratorCompleted",
            Self::ExecutionStarted(_) => "ExecutionStarted",
            Self::ExecutionCompleted { .. } => "ExecutionCompleted",
            Self::ExecutionTerminated { .. } => "ExecutionTerminated",
            Self::ExecutionSuspended { .. } => "ExecutionSuspended",
            Self::ExecutionResumed { .. } => "ExecutionResumed",
            Self::ExecutionRewound { .. } => "ExecutionRewound",
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskCompleted { .. } => "TaskCompleted",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskCanceled { .. } => "TaskCanceled",
            Self::SubOrchestrationInstanceCreated { .. } => "SubOrchestrationInstanceCreated",
            Self::SubOrchestrationInstanceCompleted { .. } => "SubOrchestrationInstanceCompleted",
            Self::SubOrchestrationInstanceFailed { .. } => "SubOrchestrationInstanceFailed",
            Self::TimerCreated { .. } => "TimerCreated",
            Self::TimerFired { .. } => "TimerFired",
            Self::EventSent { .. } => "EventSent",
            Self::EventRaised { .. } => "EventRaised",
            Self::MarkerRecorded { .. } => "MarkerRecorded",
        }
    }

    /// The sequence number of the orchestrator's action that this event records.
    #[must_use]
    pub const fn action_id(&self) -> Option<TaskId> {
        match self {
            Self::ExecutionCompleted { id, .. }
            | Self::TaskScheduled { id, .. }
            | Self::SubOrchestrationInstanceCreated { id, .. }
            | Self::TimerCreated { id, .. }
            | Self::EventSent { id, .. } => Some(*id),
            _ => None,
        }
    }

    /// True for what the orchestrator did, false for what reached it.
    #[must_use]
    pub const fn is_action(&self) -> bool {
        matches!(
            self,
            Self::ExecutionCompleted { .. }
                | Self::TaskScheduled { .. }
                | Self::TaskCanceled { .. }
                | Self::SubOrchestrationInstanceCreated { .. }
                | Self::TimerCreated { .. }
                | Self::EventSent { .. }
                | Self::MarkerRecorded { .. }
        )
    }
}
