//! What reaches an instance.

use crate::backend::{CallId, TurnCommit};
use crate::history::EventKind;
use crate::model::Timestamp;

/// One event on its way to an instance.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Message {
    pub(super) time: Timestamp,
    pub(super) event: EventKind,
    pub(super) origin: Origin,
}

impl Message {
    /// True for what ends an instance without its code.
    pub(super) fn is_termination(&self) -> bool {
        matches!(self.event, EventKind::ExecutionTerminated { .. })
    }
}

impl Message {
    /// True for the end of a task, which means nothing to a later execution.
    pub(super) fn is_result(&self) -> bool {
        matches!(
            self.event,
            EventKind::TaskCompleted { .. }
                | EventKind::TaskFailed { .. }
                | EventKind::SubOrchestrationInstanceCompleted { .. }
                | EventKind::SubOrchestrationInstanceFailed { .. }
        )
    }

    /// True for what a paused instance takes: what ends the pause, and a pause that its children shall share.
    pub(super) fn moves_paused(&self) -> bool {
        matches!(
            self.event,
            EventKind::ExecutionResumed { .. }
                | EventKind::ExecutionTerminated { .. }
                | EventKind::ExecutionSuspended { recursive: true, .. }
        )
    }
}

/// The row that the consuming turn removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The instance row itself: its first turn.
    Start,
    /// A row of the inbox.
    Inbox(u64),
    /// The row of a call whose result was handed over in memory.
    Activity {
        /// The call.
        call: CallId,
        /// The claim under which it ran.
        claim: i64,
    },
    /// The row of a timer.
    Timer(CallId),
}

impl Origin {
    /// True when only memory knows that the message arrived.
    pub(super) fn is_volatile(self) -> bool {
        matches!(self, Self::Activity { .. })
    }

    /// True for the result of a call that is over with this turn.
    pub(super) fn is_ended_by(self, commit: &TurnCommit) -> bool {
        let Self::Activity { call, .. } = self else { return false };
        commit.drop_activities || commit.activities_gone.contains(&call)
    }

    /// False for a timer of another execution than the one of this generation.
    pub(super) fn is_of(self, generation: u32) -> bool {
        !matches!(self, Self::Timer(call) if call.generation() != generation)
    }

    pub(super) fn inbox_seq(self) -> Option<u64> {
        match self {
            Self::Inbox(seq) => Some(seq),
            Self::Start | Self::Activity { .. } | Self::Timer(_) => None,
        }
    }
}
