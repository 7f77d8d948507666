//! Looking over a worker's shoulder, in tests.

use std::fmt;
use std::sync::Arc;

use super::WorkerOptions;
use crate::BoxFuture;
use crate::history::{ExecutionHeader, HistoryRecord};
use crate::model::{FailureDetails, FunctionName, Limits, SourceLocation};
use crate::registry::Registry;
use crate::replay::{EventOrder, Executor, Program, TurnInput, TurnOutcome};

/// Sees turns before they are committed.
pub trait TurnCheck: Send + Sync + 'static {
    /// A turn is about to begin. Where there is a future, it waits for that: so a test decides in which order instances go on
    /// that have something to do at the same time.
    fn before(&self, header: &ExecutionHeader, input: &TurnInput) -> Option<BoxFuture<'static, ()>> {
        let _ = (header, input);
        None
    }

    /// True when the history before this turn is needed to check it. Reading it costs time.
    fn wants_history(&self, header: &ExecutionHeader, input: &TurnInput, outcome: &TurnOutcome) -> bool;

    /// A turn has been run, and is not committed yet.
    fn check(&self, turn: &CheckedTurn<'_>);

    /// A turn has no outcome that can be trusted, because of the code.
    fn refused(&self, header: &ExecutionHeader, refusal: &Refusal) {
        let _ = (header, refusal);
    }
}

/// Why a turn has no outcome that can be trusted.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Refusal {
    /// What is wrong with the code.
    pub reason: RefusalReason,
    /// The failure of the instance, or why it stalls.
    pub failure: FailureDetails,
    /// The instance stalls; otherwise it fails.
    pub stalls: bool,
}

/// What is wrong with the code of a turn that has no outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusalReason {
    /// It and the history differ.
    NonDeterminism,
    /// It awaits what is not durable.
    ForeignAwait {
        /// Where it has made its last call in this turn, if it has made any.
        last_call: Option<SourceLocation>,
    },
    /// It is missing, or not there in the version of the instance.
    Missing,
}

/// A turn with everything that is needed to run it once more.
pub struct CheckedTurn<'a> {
    /// Whose turn it is.
    pub header: &'a Arc<ExecutionHeader>,
    /// The history before it, where it is wanted.
    pub history: Option<&'a [HistoryRecord]>,
    /// What went into it.
    pub input: &'a TurnInput,
    /// What came out.
    pub outcome: &'a TurnOutcome,
    pub(super) registry: &'a Registry,
    pub(super) program: &'a Program,
    pub(super) limits: Limits,
    pub(super) order: EventOrder,
}

impl CheckedTurn<'_> {
    /// An executor of the same code that has not run yet.
    #[must_use]
    pub fn executor(&self) -> Executor {
        self.again()()
    }

    /// True for an orchestrator that the worker knows, in any version.
    #[must_use]
    pub fn has_orchestrator(&self, name: &FunctionName) -> bool {
        self.registry.latest(name).is_some()
    }

    /// Makes executors of the same code, also later.
    pub fn again(&self) -> impl Fn() -> Executor + Send + Sync + 'static {
        let (header, program) = (Arc::clone(self.header), Arc::clone(self.program));
        let (limits, order) = (self.limits, self.order);
        move || {
            let executor = Executor::new(Arc::clone(&header), Arc::clone(&program), limits, None);
            executor.with_event_order(order)
        }
    }
}

impl fmt::Debug for CheckedTurn<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CheckedTurn")
            .field("header", &self.header)
            .field("input", &self.input)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}

/// The code that a worker runs, for tests that run it on histories that were recorded.
#[derive(Debug, Clone)]
pub struct Code {
    registry: Registry,
    limits: Limits,
    order: EventOrder,
}

impl Code {
    pub(crate) fn new(registry: Registry, options: &WorkerOptions) -> Self {
        Self { registry, limits: options.limits, order: options.event_order }
    }

    /// True for an orchestrator that is there, in any version.
    #[must_use]
    pub fn has_orchestrator(&self, name: &FunctionName) -> bool {
        self.registry.latest(name).is_some()
    }

    /// Makes executors that have not run yet; `None` when there is no code for this execution.
    #[must_use]
    pub fn executors(&self, header: &Arc<ExecutionHeader>) -> Option<impl Fn() -> Executor + Send + Sync + use<>> {
        let program = self.registry.orchestrator(&header.name, header.version.as_ref())?;
        let (header, limits, order) = (Arc::clone(header), self.limits, self.order);
        Some(move || {
            let executor = Executor::new(Arc::clone(&header), Arc::clone(&program), limits, None);
            executor.with_event_order(order)
        })
    }
}
