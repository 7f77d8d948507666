//! The state of an instance as its users see it.

use std::fmt;
use std::str::FromStr;

/// The runtime status of an instance, with the names and numbers of Durable Functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RuntimeStatus {
    /// The instance has started and is not finished; it may be waiting.
    Running,
    /// The orchestrator returned a value.
    Completed,
    /// The instance starts over with a new input.
    ContinuedAsNew,
    /// The orchestrator returned an error or panicked.
    Failed,
    /// The instance was cancelled.
    Canceled,
    /// The instance was terminated by a client.
    Terminated,
    /// The instance was accepted and has not run yet.
    Pending,
    /// The instance takes no messages until it is resumed.
    Suspended,
}

impl RuntimeStatus {
    /// Every status, ordered by its number.
    pub const ALL: [Self; 8] = [
        Self::Running,
        Self::Completed,
        Self::ContinuedAsNew,
        Self::Failed,
        Self::Canceled,
        Self::Terminated,
        Self::Pending,
        Self::Suspended,
    ];

    /// The name on the wire and in the store.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "Running",
            Self::Completed => "Completed",
            Self::ContinuedAsNew => "ContinuedAsNew",
            Self::Failed => "Failed",
            Self::Canceled => "Canceled",
            Self::Terminated => "Terminated",
            Self::Pending => "Pending",
            Self::Suspended => "Suspended",
        }
    }

    /// The number that some Durable Functions clients send instead of the name.
    #[must_use]
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// True when the instance is over and will never change again.
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Canceled | Self::Terminated)
    }
}

impl fmt::Display for RuntimeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RuntimeStatus {
    type Err = UnknownRuntimeStatus;

    /// Reads the exact name; it is case-sensitive, as in Durable Functions.
    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == name)
            .ok_or_else(|| UnknownRuntimeStatus(name.to_owned()))
    }
}

/// A text that names no [`RuntimeStatus`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a runtime status")]
pub struct UnknownRuntimeStatus(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_durable_functions() {
        let codes = RuntimeStatus::ALL.map(RuntimeStatus::code);
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(RuntimeStatus::Suspended.code(), 7);
    }

    #[test]
    fn names_round_trip_and_are_case_sensitive() {
        for status in RuntimeStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
        }
        assert!("running".parse::<RuntimeStatus>().is_err());
    }
}
