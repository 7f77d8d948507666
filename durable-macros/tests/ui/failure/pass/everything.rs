//! Every accepted form of a failure.
#![deny(missing_docs, unused, warnings, clippy::pedantic)]

use std::time::Duration;

use durable_core::failure::{Failure as _, IntoFailure};
use durable_macros::Failure;

/// An enum.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
#[failure(type = "Pay")]
pub enum PayError {
    /// Unit.
    #[error("no")]
    No,
    /// Tuple.
    #[error("limit {0}")]
    #[failure(non_retriable, tag = "Limit")]
    LimitExceeded(u64),
    /// Fields.
    #[error("busy")]
    #[failure(retry_after = "30s")]
    Busy {
        /// Who.
        who: String,
    },
}

/// A struct.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
#[error("closed")]
#[failure(non_retriable, retry_after = "250ms", crate = "durable_core")]
pub struct Closed {
    /// When.
    pub hour: u8,
}

/// Nothing.
#[derive(Debug, thiserror::Error, serde::Serialize, serde::Deserialize, Failure)]
pub enum Never {}

fn main() {
    assert_eq!(PayError::TYPE, "Pay");
    assert_eq!(PayError::No.tag(), "No");
    assert_eq!(PayError::LimitExceeded(1).tag(), "Limit");
    assert!(PayError::LimitExceeded(1).is_non_retriable());
    assert!(!PayError::No.is_non_retriable());
    assert_eq!(PayError::Busy { who: String::new() }.retry_after(), Some(Duration::from_secs(30)));
    let details = Closed { hour: 3 }.into_failure();
    assert_eq!(details.error_type, "Closed::Closed");
    assert_eq!(details.retry_after, Some(Duration::from_millis(250)));
    assert_eq!(Closed::from_details(&details).map(|closed| closed.hour), Some(3));
}

