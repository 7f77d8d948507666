//! The error of orchestrators, and of the tasks that they await.

use std::any::Any;
use std::error::Error;
use std::fmt;

use super::{Failure, IntoFailure};
use crate::model::FailureDetails;

/// The error of an orchestrator, and what awaiting a failed task yields.
///
/// `?` makes it from any [`std::error::Error`]. When it comes from a task, [`details`](Self::details) says which task
/// failed, with the activity's own error as its cause, and [`downcast`](Self::downcast) gives a typed error back:
///
/// ```
/// use durable_core::prelude::*;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, Serialize, Deserialize, Failure)]
/// enum PayError {
///     #[failure(non_retriable)]
///     LimitExceeded { limit: u64 },
/// }
///
/// impl std::error::Error for PayError {}
/// impl std::fmt::Display for PayError {
///     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
///         let Self::LimitExceeded { limit } = self;
///         write!(f, "the limit is {limit}")
///     }
/// }
///
/// #[activity]
/// async fn pay(amount: u64) -> Result<(), PayError> {
///     if amount > 1000 { Err(PayError::LimitExceeded { limit: 1000 }) } else { Ok(()) }
/// }
///
/// #[orchestrator]
/// async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
///     match ctx.call_activity(pay, amount).await {
///         Ok(()) => Ok(amount),
///         Err(error) => match error.downcast::<PayError>() {
///             Ok(PayError::LimitExceeded { limit }) => Ok(limit),
///             Err(other) => Err(other),
///         },
///     }
/// }
/// ```
///
/// It does not implement `Error` itself, and converts into a `Box<dyn Error + Send + Sync>`. `{}` prints this level alone,
/// `{:#}` and `{:?}` print the causes too.
pub struct OrchestratorError {
    details: Box<FailureDetails>,
}

impl OrchestratorError {
    /// An error with this message and no cause.
    #[must_use]
    pub fn msg(message: impl fmt::Display) -> Self {
        FailureDetails::new("Error", message.to_string()).into()
    }

    /// An error that a calling orchestrator gets back as `E` with [`downcast`](Self::downcast).
    #[must_use]
    pub fn typed<E: Failure>(error: &E) -> Self {
        error.to_details().into()
    }

    /// This error, marked so that retry policies leave it alone.
    #[must_use]
    pub fn non_retriable(mut self) -> Self {
        self.details.is_non_retriable = true;
        self
    }

    /// This error under a message that says what was being done.
    #[must_use]
    pub fn context(self, message: impl fmt::Display) -> Self {
        let mut outer = FailureDetails::new("Error", message.to_string());
        outer.is_non_retriable = self.details.is_non_retriable;
        outer.retry_after = self.details.retry_after;
        outer.caused_by(*self.details).into()
    }

    /// What happened, with its causes.
    #[must_use]
    pub fn details(&self) -> &FailureDetails {
        &self.details
    }

    /// The typed error that an activity or a child returned.
    ///
    /// # Errors
    ///
    /// This error, unchanged, when it holds no `E` or a variant that this program does not know.
    pub fn downcast<E: Failure>(self) -> Result<E, Self> {
        E::from_details(&self.details).ok_or(self)
    }

    /// True when the failure or one of its causes is a panic.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.details.is_caused_by(crate::model::PANIC_ERROR_TYPE)
    }

    /// True when this is a wait for an event that took too long, or comes from an activity that did.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        use crate::model::{EVENT_TIMEOUT_ERROR_TYPE, TIMEOUT_ERROR_TYPE};
        self.details.is_caused_by(EVENT_TIMEOUT_ERROR_TYPE) || self.details.is_caused_by(TIMEOUT_ERROR_TYPE)
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for OrchestratorError {
    fn from(error: E) -> Self {
        // An error that is one of ours already moves in as it is.
        let mut error = Some(error);
        if let Some(details) = (&mut error as &mut dyn Any).downcast_mut::<Option<Box<FailureDetails>>>()
            && let Some(details) = details.take()
        {
            return Self { details };
        }
        if let Some(details) = (&mut error as &mut dyn Any).downcast_mut::<Option<FailureDetails>>()
            && let Some(details) = details.take()
        {
            return Self { details: Box::new(details) };
        }
        let Some(error) = error else { unreachable!("it has not been taken") };
        Self { details: Box::new(FailureDetails::from_error(std::any::type_name::<E>(), &error)) }
    }
}

impl From<super::ActivityError> for OrchestratorError {
    fn from(error: super::ActivityError) -> Self {
        error.into_failure().into()
    }
}

impl IntoFailure for OrchestratorError {
    fn into_failure(self) -> FailureDetails {
        *self.details
    }
}

impl From<OrchestratorError> for Box<dyn Error + Send + Sync> {
    fn from(error: OrchestratorError) -> Self {
        error.details
    }
}

impl From<OrchestratorError> for Box<dyn Error> {
    fn from(error: OrchestratorError) -> Self {
        error.details
    }
}

impl fmt::Display for OrchestratorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.details, f)
    }
}

impl fmt::Debug for OrchestratorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.details.error_type, self.details)
    }
}
