//! What an orchestrator that may start over returns.

use crate::model::{InvalidVersion, Version};

/// The value of an orchestrator that either comes to its end or starts over with a new input and an empty history.
///
/// An orchestrator that returns `Result<Next<Output, Input>, E>` has the output `Output` for its callers: they see only the
/// end.
///
/// ```
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// #[orchestrator]
/// async fn countdown(ctx: OrchestrationContext, left: u32) -> Result<Next<String, u32>, OrchestratorError> {
///     if left == 0 {
///         return Ok(Next::Complete("lift-off".to_owned()));
///     }
///     ctx.create_timer(Duration::from_secs(1)).await;
///     Ok(Next::continue_as_new(left - 1))
/// }
/// ```
///
/// # Determinism
///
/// The next execution begins with an empty history, so it costs nothing to replay. It has sequence numbers, random numbers
/// and ids of its own. Calls that are still open are cancelled, as at the end of any orchestrator; detached ones go on.
///
/// # History
///
/// The history of the execution is removed, and the next one begins with `ExecutionStarted`.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an orchestrator returns this"]
pub enum Next<O, I> {
    /// The orchestration is complete, with this output.
    Complete(O),
    /// The orchestration starts over.
    ContinueAsNew(ContinueAsNew<I>),
}

impl<O, I> Next<O, I> {
    /// Starts over with this input, in the same version, and with the external events that nobody has waited for.
    pub fn continue_as_new(input: I) -> Self {
        Self::ContinueAsNew(ContinueAsNew::new(input))
    }

    /// What the generated code does with the value of an annotated function.
    #[doc(hidden)]
    pub fn with_input<J>(self, same: fn(I) -> J) -> Next<O, J> {
        match self {
            Self::Complete(output) => Next::Complete(output),
            Self::ContinueAsNew(ContinueAsNew { input, version, keeps_events }) => {
                Next::ContinueAsNew(ContinueAsNew { input: same(input), version, keeps_events })
            }
        }
    }
}

/// Every type is itself. The macros ask for it, so that a [`Next`] with another input than its orchestrator's is an error
/// that says so.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "an orchestrator starts over with its own input, which is `{I}` and not `{Self}`",
    label = "expected `Next<.., {I}>`"
)]
pub trait SameInput<I> {
    /// The value as it is.
    fn same(self) -> I;
}

impl<I> SameInput<I> for I {
    fn same(self) -> I {
        self
    }
}

impl<O, I> From<ContinueAsNew<I>> for Next<O, I> {
    fn from(next: ContinueAsNew<I>) -> Self {
        Self::ContinueAsNew(next)
    }
}

/// How an orchestration starts over.
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an orchestrator returns this"]
pub struct ContinueAsNew<I> {
    pub(crate) input: I,
    pub(crate) version: Option<Version>,
    pub(crate) keeps_events: bool,
}

impl<I> ContinueAsNew<I> {
    /// Starts over with this input.
    pub fn new(input: I) -> Self {
        Self { input, version: None, keeps_events: true }
    }

    /// Starts over with the code of another version.
    ///
    /// # Errors
    ///
    /// The text is not a version.
    pub fn version<V>(mut self, version: V) -> Result<Self, InvalidVersion>
    where
        V: TryInto<Version>,
        V::Error: Into<InvalidVersion>,
    {
        self.version = Some(version.try_into().map_err(Into::into)?);
        Ok(self)
    }

    /// Drops external events that have arrived and that nobody has waited for. Otherwise the next execution finds them, in
    /// the order of their arrival.
    pub fn discard_unread_events(mut self) -> Self {
        self.keeps_events = false;
        self
    }
}
