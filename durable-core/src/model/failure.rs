//! The stored form of an error: what went wrong, why, and whether trying again can help.

use std::any::Any;
use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Payload;

/// The [`FailureDetails::error_type`] of a panic.
pub const PANIC_ERROR_TYPE: &str = "Panic";
/// The [`FailureDetails::error_type`] of an activity that took longer than it may.
pub const TIMEOUT_ERROR_TYPE: &str = "Timeout";
/// The [`FailureDetails::error_type`] of a wait for an event that took too long.
pub const EVENT_TIMEOUT_ERROR_TYPE: &str = "EventTimeout";
/// The longest cause chain that is kept, so that a cyclic or runaway chain cannot fill a history.
const MAX_CAUSES: usize = 32;

/// An error as it is stored in a history and crosses from an activity to its caller.
///
/// The field names and the nesting are those of Durable Functions' `FailureDetails`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct FailureDetails {
    /// A stable name of the kind of error. For a `#[derive(Failure)]` enum it is `Enum::Variant`.
    pub error_type: String,
    /// The message of this level alone.
    pub error_message: String,
    /// A backtrace, where one was captured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stack_trace: Option<String>,
    /// The cause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inner_failure: Option<Box<Self>>,
    /// True when retrying cannot help.
    #[serde(default)]
    pub is_non_retriable: bool,
    /// The earliest useful retry, counted from the failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<Duration>,
    /// The typed error itself, for a `#[derive(Failure)]` enum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<Payload>,
    /// Further facts about the error.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub properties: BTreeMap<String, Payload>,
}

impl FailureDetails {
    /// A failure without a cause.
    #[must_use]
    pub fn new(error_type: impl Into<String>, error_message: impl Into<String>) -> Self {
        Self {
            error_type: error_type.into(),
            error_message: error_message.into(),
            stack_trace: None,
            inner_failure: None,
            is_non_retriable: false,
            retry_after: None,
            data: None,
            properties: BTreeMap::new(),
        }
    }

    /// The failure that describes `error` and its whole [`source`](Error::source) chain.
    #[must_use]
    pub fn from_error(error_type: impl Into<String>, error: &(dyn Error + 'static)) -> Self {
        let mut failure = Self::new(error_type, error.to_string());
        failure.inner_failure = causes(error.source(), MAX_CAUSES);
        failure
    }

    /// The failure that stands for a panic with this payload, which is dropped here.
    #[must_use]
    pub fn from_panic(panic: Box<dyn Any + Send>) -> Self {
        let message = panic
            .downcast_ref::<&'static str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_else(|| "a panic without a message".to_owned());
        // A payload may panic again when it is dropped.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(panic))).map_err(std::mem::forget);
        Self::new(PANIC_ERROR_TYPE, message)
    }

    /// This failure, marked so that retry policies leave it alone.
    #[must_use]
    pub fn non_retriable(mut self) -> Self {
        self.is_non_retriable = true;
        self
    }

    /// This failure with `cause` below it.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.inner_failure = Some(Box::new(cause));
        self
    }

    /// This failure and its causes, the outermost first.
    pub fn chain(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |failure| failure.inner_failure.as_deref())
    }

    /// True when this failure or one of its causes has the given type.
    #[must_use]
    pub fn is_caused_by(&self, error_type: &str) -> bool {
        self.chain().any(|failure| failure.error_type == error_type)
    }
}

fn causes(source: Option<&(dyn Error + 'static)>, left: usize) -> Option<Box<FailureDetails>> {
    let source = source?;
    if left == 0 {
        return None;
    }
    let mut failure = FailureDetails::new("Error", source.to_string());
    failure.inner_failure = causes(source.source(), left - 1);
    Some(Box::new(failure))
}

/// Writes an error and its causes in one line.
///
/// # Errors
///
/// The formatter failed.
pub fn write_chain(f: &mut fmt::Formatter<'_>, error: &(dyn Error + 'static)) -> fmt::Result {
    write!(f, "{error}")?;
    let mut cause = error.source();
    while let Some(error) = cause {
        write!(f, ": {error}")?;
        cause = error.source();
    }
    Ok(())
}

impl fmt::Display for FailureDetails {
    /// The message of this level; `{:#}` appends the messages of all causes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.error_message)?;
        if f.alternate() {
            for cause in self.chain().skip(1) {
                write!(f, ": {}", cause.error_message)?;
            }
        }
        Ok(())
    }
}

impl Error for FailureDetails {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner_failure.as_deref().map(|inner| inner as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("outer")]
    struct Outer(#[source] Middle);
    #[derive(Debug, thiserror::Error)]
    #[error("middle")]
    struct Middle(#[source] std::num::ParseIntError);

    fn sample() -> FailureDetails {
        FailureDetails::from_error("Outer", &Outer(Middle("x".parse::<i32>().unwrap_err())))
    }

    #[test]
    fn the_whole_cause_chain_is_kept() {
        let failure = sample();
        assert_eq!(format!("{failure}"), "outer");
        assert_eq!(format!("{failure:#}"), "outer: middle: invalid digit found in string");
        assert_eq!(failure.chain().count(), 3);
    }

    #[test]
    fn json_round_trips() {
        let failure = sample().non_retriable();
        let text = serde_json::to_string(&failure).unwrap();
        assert_eq!(serde_json::from_str::<FailureDetails>(&text).unwrap(), failure);
    }

    #[test]
    fn panics_keep_their_message() {
        let panic = std::panic::catch_unwind(|| panic!("at {}", 7)).unwrap_err();
        assert_eq!(FailureDetails::from_panic(panic).error_message, "at 7");
    }
}
