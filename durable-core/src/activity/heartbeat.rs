//! Progress of long activities.

use std::error::Error;

use crate::BoxFuture;
use crate::model::Payload;

/// Where an activity's heartbeats go. A worker implements it; tests may.
pub trait ProgressReporter: Send + Sync {
    /// Stores the progress.
    fn report(&self, progress: Payload) -> BoxFuture<'_, Result<(), HeartbeatError>>;

    /// What an earlier run of the same call reported last.
    fn last(&self) -> Option<&Payload>;
}

/// A heartbeat was not stored: the result of the activity is not wanted any more, or the store failed.
#[derive(Debug, thiserror::Error)]
#[error("the heartbeat was not stored")]
pub struct HeartbeatError(#[source] Box<dyn Error + Send + Sync>);

impl HeartbeatError {
    /// An error with this cause.
    #[must_use]
    pub fn new(cause: Box<dyn Error + Send + Sync>) -> Self {
        Self(cause)
    }
}
