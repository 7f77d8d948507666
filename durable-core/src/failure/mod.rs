//! The errors of user code, and how they cross from an activity to its caller.
//!
//! A value of `ActivityError` or `OrchestratorError` is made by `?` from any [`std::error::Error`], in the way of
//! `anyhow`: neither implements `Error` itself, both convert into a boxed error. When user code returns, the error is
//! turned into [`FailureDetails`](crate::model::FailureDetails), stored, and given to the caller.
//!
//! `?` means a failure that retry policies see. Say `non_retriable` where trying again cannot help.

mod activity_error;
mod orchestrator_error;
mod returned;
mod typed;

pub use self::activity_error::ActivityError;
pub use self::orchestrator_error::OrchestratorError;
pub use self::returned::ReturnedResult;
pub use self::typed::{Failure, IntoFailure};
