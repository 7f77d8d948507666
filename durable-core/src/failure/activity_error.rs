//! The error of activities.

use std::error::Error;
use std::fmt;

use super::{Failure, IntoFailure};
use crate::model::FailureDetails;

/// The error of an activity: made by `?` from any [`std::error::Error`], with its whole cause chain.
///
/// ```
/// use durable_core::prelude::*;
///
/// #[activity]
/// async fn parse(text: String) -> Result<i64, ActivityError> {
///     if text.is_empty() {
///         return Err(ActivityError::msg("there is nothing to parse").non_retriable());
///     }
///     Ok(text.parse()?)
/// }
/// ```
///
/// It does not implement `Error` itself, and converts into a `Box<dyn Error + Send + Sync>`. `{}` prints this level alone,
/// `{:#}` and `{:?}` print the causes too.
pub struct ActivityError {
    details: Box<FailureDetails>,
    original: Option<Box<dyn Error + Send + Sync>>,
}

impl ActivityError {
    /// An error with this message and no cause.
    #[must_use]
    pub fn msg(message: impl fmt::Display) -> Self {
        FailureDetails::new("Error", message.to_string()).into()
    }

    /// An error that the orchestrator gets back as `E` with
    /// [`OrchestratorError::downcast`](super::OrchestratorError::downcast).
    ///
    /// `?` cannot see that an error is a [`Failure`]; this keeps its type: `.map_err(ActivityError::typed)?`.
    #[must_use]
    pub fn typed<E: Failure>(error: E) -> Self {
        Self { details: Box::new(error.to_details()), original: Some(Box::new(error)) }
    }

    /// An error around a boxed one.
    #[must_use]
    pub fn from_boxed(error: Box<dyn Error + Send + Sync>) -> Self {
        Self { details: Box::new(FailureDetails::from_error("Error", &*error)), original: Some(error) }
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
        Self { details: Box::new(outer.caused_by(*self.details)), original: self.original }
    }

    /// What will be stored.
    #[must_use]
    pub fn details(&self) -> &FailureDetails {
        &self.details
    }

    /// The original error, when it is an `E`. It is there only in the process that made it, as in a unit test.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.original.as_ref()?.downcast_ref()
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for ActivityError {
    fn from(error: E) -> Self {
        if let Some(details) = (&error as &(dyn Error + 'static)).downcast_ref::<FailureDetails>() {
            return Self { details: Box::new(details.clone()), original: None };
        }
        let details = FailureDetails::from_error(std::any::type_name::<E>(), &error);
        Self { details: Box::new(details), original: Some(Box::new(error)) }
    }
}

impl IntoFailure for ActivityError {
    fn into_failure(self) -> FailureDetails {
        *self.details
    }
}

impl From<ActivityError> for Box<dyn Error + Send + Sync> {
    fn from(error: ActivityError) -> Self {
        error.details
    }
}

impl From<ActivityError> for Box<dyn Error> {
    fn from(error: ActivityError) -> Self {
        error.details
    }
}

impl fmt::Display for ActivityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.details, f)
    }
}

impl fmt::Debug for ActivityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {:#}", self.details.error_type, self.details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn question_mark_keeps_type_and_causes() {
        let fails = || -> Result<i32, ActivityError> { Ok("x".parse::<i32>()?) };
        let error = fails().unwrap_err();
        assert_eq!(error.details().error_type, "core::num::error::ParseIntError");
        assert!(error.downcast_ref::<std::num::ParseIntError>().is_some());
        let boxed: Box<dyn Error + Send + Sync> = error.context("reading the amount").into();
        assert_eq!(boxed.to_string(), "reading the amount");
        assert_eq!(boxed.source().unwrap().to_string(), "invalid digit found in string");
    }

    #[test]
    fn a_boxed_error_keeps_its_causes() {
        let inner = "x".parse::<i32>().map_err(|error| ActivityError::from(error).context("reading")).unwrap_err();
        let boxed: Box<dyn Error + Send + Sync> = inner.into();
        assert_eq!(format!("{:#}", ActivityError::from_boxed(boxed)), "reading: invalid digit found in string");
    }

    #[test]
    fn marks_survive_a_context() {
        assert!(ActivityError::msg("no").non_retriable().context("paying").into_failure().is_non_retriable);
    }
}
