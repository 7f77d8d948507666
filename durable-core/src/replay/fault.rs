//! Why a turn cannot be trusted.

use std::fmt;

use crate::model::{FailureDetails, SourceLocation, TaskId};

/// A turn whose result must not be used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ReplayFault {
    /// The code did something else than the history says.
    #[error(transparent)]
    NonDeterminism(#[from] Box<NonDeterminism>),
    /// The code waits for something that is not durable.
    #[error(transparent)]
    ForeignAwait(#[from] ForeignAwait),
}

impl ReplayFault {
    /// True when the code did something else than the history says.
    #[must_use]
    pub fn is_non_determinism(&self) -> bool {
        matches!(self, Self::NonDeterminism(_))
    }

    /// The stored form. It is never worth a retry with the same code.
    #[must_use]
    pub fn to_failure(&self) -> FailureDetails {
        let error_type = match self {
            Self::NonDeterminism(_) => "NonDeterminism",
            Self::ForeignAwait(_) => "ForeignAwait",
        };
        FailureDetails::new(error_type, self.to_string()).non_retriable()
    }
}

/// The first difference between a history and what the code does now.
#[derive(Debug, Clone, PartialEq)]
pub struct NonDeterminism {
    /// The turn in which they differ.
    pub turn: u64,
    /// The sequence number at which they differ.
    pub task_id: Option<TaskId>,
    /// What the history says; `None` when the code did something in addition.
    pub recorded: Option<Side>,
    /// What the code did; `None` when it did nothing.
    pub produced: Option<Side>,
}

/// One side of a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// What was done, for people.
    pub what: String,
    /// Where in the source it was done.
    pub source: Option<SourceLocation>,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.source {
            Some(source) => write!(f, " (at {source})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for NonDeterminism {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("non-deterministic orchestration: ")?;
        if let Some(id) = self.task_id {
            write!(f, "at {id} of turn {}, ", self.turn)?;
        } else {
            write!(f, "in turn {}, ", self.turn)?;
        }
        let text = |side: &Option<Side>| side.as_ref().map_or_else(|| "nothing".to_owned(), ToString::to_string);
        write!(f, "the history has {}, but the code now does {}", text(&self.recorded), text(&self.produced))?;
        f.write_str(
            ". Either the orchestrator was changed after this instance had started, or it depends on something besides \
             its input and its history, such as the clock, random numbers or the order of a HashMap",
        )
    }
}

impl std::error::Error for NonDeterminism {}

/// How a foreign await was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ForeignAwait {
    /// The code is pending, and no durable task is awaited.
    #[error(
        "the orchestrator awaits something that is not durable: no durable task is awaited, so nothing could ever continue \
         it. Await only what the context offers, and move timers, I/O and channels into activities or `ctx.create_timer`"
    )]
    NothingDurable,
    /// Something else than a durable task woke the code.
    #[error(
        "the orchestrator awaits something that is not durable: it was woken by something else than one of its durable \
         tasks. Await only what the context offers, and move timers, I/O and channels into activities or `ctx.create_timer`"
    )]
    ForeignWake,
    /// The context was used by other code than the orchestrator's own.
    #[error(
        "the orchestration context was used outside the orchestrator's own code, for example in a spawned task or thread. \
         Use it only in the orchestrator and in functions that it awaits"
    )]
    StrayCall,
    /// The code wakes itself for ever.
    #[error(
        "the orchestrator wakes itself without end and makes no durable call: it spins or yields in a loop. Await a durable \
         task instead"
    )]
    Spinning,
}
