//! Typed application errors.

use std::error::Error;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::model::{FailureDetails, Payload};

/// What an activity or an orchestrator may return as its error.
///
/// [`ActivityError`](crate::failure::ActivityError) takes any error through `?`; an enum with
/// [`#[derive(Failure)]`](macro@crate::Failure) arrives typed at the caller.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the error of an activity or an orchestrator",
    label = "not an error that can be stored",
    note = "return `ActivityError` or `OrchestratorError` (`?` turns any `std::error::Error` into them), or derive `Failure` on your own enum"
)]
pub trait IntoFailure {
    /// The stored form of the error.
    fn into_failure(self) -> FailureDetails;
}

impl IntoFailure for FailureDetails {
    fn into_failure(self) -> FailureDetails {
        self
    }
}

impl IntoFailure for std::convert::Infallible {
    fn into_failure(self) -> FailureDetails {
        match self {}
    }
}

impl IntoFailure for String {
    fn into_failure(self) -> FailureDetails {
        FailureDetails::new("Error", self)
    }
}

impl IntoFailure for &'static str {
    fn into_failure(self) -> FailureDetails {
        FailureDetails::new("Error", self)
    }
}

impl IntoFailure for Box<dyn Error + Send + Sync> {
    fn into_failure(self) -> FailureDetails {
        FailureDetails::from_error("Error", &*self)
    }
}

/// An error enum whose values survive the way through the store: a caller gets them back with
/// [`OrchestratorError::downcast`](crate::failure::OrchestratorError::downcast).
///
/// Implement it with [`#[derive(Failure)]`](macro@crate::Failure), next to `Error`, `Serialize` and `Deserialize`.
pub trait Failure: Error + Serialize + DeserializeOwned + Send + Sync + Sized + 'static {
    /// The stable name of the enum in stored failures. Renaming it hides the type from old histories.
    const TYPE: &'static str;

    /// The stable tag of this value's variant.
    fn tag(&self) -> &'static str;

    /// True when retrying cannot help.
    fn is_non_retriable(&self) -> bool {
        false
    }

    /// The earliest useful retry, counted from the failure.
    fn retry_after(&self) -> Option<Duration> {
        None
    }

    /// The stored form: type and tag, message, the whole source chain, and the value itself as JSON.
    fn to_details(&self) -> FailureDetails {
        let mut details = FailureDetails::from_error(format!("{}::{}", Self::TYPE, self.tag()), self);
        details.is_non_retriable = self.is_non_retriable();
        details.retry_after = self.retry_after();
        details.data = Payload::encode(self).ok();
        details
    }

    /// The typed value in `details` or in one of its causes; `None` when there is none, or when its variant is unknown
    /// to this program.
    #[must_use]
    fn from_details(details: &FailureDetails) -> Option<Self> {
        details
            .chain()
            .filter(|failure| failure.error_type.split("::").next() == Some(Self::TYPE))
            .find_map(|failure| failure.data.as_ref()?.decode().ok())
    }
}
