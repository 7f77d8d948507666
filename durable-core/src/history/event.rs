//! The events of a history.

use crate::model::{
    EventName, ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, SourceLocation, TaskId,
    Timestamp,
};

/// One event as users of the history see it.
///
/// `event_id` is the sequence number of the orchestrator's action that the event records, and -1 for every other event.
/// A completion points back to its action with the id inside its [`EventKind`].
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
    ExecutionStarted {
        /// The instance.
        instance: InstanceId,
        /// The execution.
        execution: ExecutionId,
        /// The orchestrator.
        name: FunctionName,
        /// Its input.
        input: Payload,
    },
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
    },
    /// An activity was called.
    TaskScheduled {
        /// The sequence number of the call.
        id: TaskId,
        /// The activity.
        name: FunctionName,
        /// Its input.
        input: Payload,
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
    /// A call or timer is no longer wanted: its handle was dropped.
    TaskCanceled {
        /// The call or timer.
        task_id: TaskId,
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
    /// An external event arrived.
    EventRaised {
        /// The name of the event.
        name: EventName,
        /// Its payload.
        input: Payload,
    },
}

impl EventKind {
    /// The name of the event type in Durable Functions.
    ///
    /// [`EventKind::TaskCanceled`] has no counterpart there; it is our own.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::OrchestratorStarted => "OrchestratorStarted",
            Self::OrchestratorCompleted => "OrchestratorCompleted",
            Self::ExecutionStarted { .. } => "ExecutionStarted",
            Self::ExecutionCompleted { .. } => "ExecutionCompleted",
            Self::ExecutionTerminated { .. } => "ExecutionTerminated",
            Self::TaskScheduled { .. } => "TaskScheduled",
            Self::TaskCompleted { .. } => "TaskCompleted",
            Self::TaskFailed { .. } => "TaskFailed",
            Self::TaskCanceled { .. } => "TaskCanceled",
            Self::TimerCreated { .. } => "TimerCreated",
            Self::TimerFired { .. } => "TimerFired",
            Self::EventRaised { .. } => "EventRaised",
        }
    }

    /// The sequence number of the orchestrator's action that this event records.
    #[must_use]
    pub const fn action_id(&self) -> Option<TaskId> {
        match self {
            Self::ExecutionCompleted { id, .. } | Self::TaskScheduled { id, .. } | Self::TimerCreated { id, .. } => {
                Some(*id)
            }
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
                | Self::TimerCreated { .. }
        )
    }
}
