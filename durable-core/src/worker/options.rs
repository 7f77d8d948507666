//! Limits and policies of a worker.

use std::time::Duration;

use crate::model::{Limits, Version, VersionSet};
use crate::replay::EventOrder;

/// What happens to an instance whose code no longer fits its history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NonDeterminismPolicy {
    /// The instance is put aside and tried again later, at the latest after the next start: with the right code it goes on
    /// as if nothing had happened. Nothing is lost.
    Stall,
    /// The instance fails.
    Fail,
}

/// Which instances a worker takes, when they and the worker have versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionMatch {
    /// All of them.
    Any,
    /// Those of the worker's own version.
    Strict,
    /// Those of the worker's own version and of earlier ones; an instance without a version is earlier than all.
    CurrentOrOlder,
}

impl VersionMatch {
    /// True when a worker of version `worker` takes an instance of version `instance`.
    #[must_use]
    pub fn takes(self, worker: Option<&Version>, instance: Option<&Version>) -> bool {
        match self {
            Self::Any => true,
            Self::Strict => instance == worker,
            Self::CurrentOrOlder => instance <= worker,
        }
    }
}

/// What happens to an instance whose version this program does not have, or does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum VersionMismatch {
    /// The instance is put aside and tried again later: another deployment may have its code.
    Reject,
    /// The instance fails with the error type `VersionMismatch`.
    Fail,
}

/// How much a worker runs at once, and how it treats trouble.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// The most turns that run or are being committed at once.
    pub max_turns: usize,
    /// The most activities that run at once.
    pub max_activities: usize,
    /// How long one attempt of an activity may take when its call does not say it.
    pub activity_timeout: Option<Duration>,
    /// The most orchestrators whose futures stay in memory between their turns.
    pub warm_instances: usize,
    /// What happens to an instance whose code no longer fits its history.
    pub non_determinism: NonDeterminismPolicy,
    /// The version of this deployment, in which new instances start.
    pub version: Option<Version>,
    /// Which instances it takes.
    pub version_match: VersionMatch,
    /// What happens to the others.
    pub version_mismatch: VersionMismatch,
    /// How large values and histories may become.
    pub limits: Limits,
    /// Which of several waits for the same event gets the next one.
    pub event_order: EventOrder,
    /// The first and the longest pause before a stalled instance is tried again; each pause is twice the one before.
    pub stall_pause: (Duration, Duration),
    /// How long a drain waits for running activities.
    pub drain_timeout: Duration,
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            max_turns: 4_096,
            max_activities: 1_024,
            activity_timeout: None,
            warm_instances: 10_000,
            non_determinism: NonDeterminismPolicy::Stall,
            version: None,
            version_match: VersionMatch::Any,
            version_mismatch: VersionMismatch::Reject,
            limits: Limits::default(),
            event_order: EventOrder::default(),
            stall_pause: (Duration::from_secs(1), Duration::from_secs(300)),
            drain_timeout: Duration::from_secs(30),
        }
    }
}

impl WorkerOptions {
    /// Which instances it takes from a store that others share. One that it is to fail for its version, it takes as well.
    pub(super) fn takes(&self) -> VersionSet {
        match self.version_match {
            _ if self.version_mismatch == VersionMismatch::Fail => VersionSet::All,
            VersionMatch::Any => VersionSet::All,
            VersionMatch::Strict => VersionSet::These(vec![self.version.clone()]),
            VersionMatch::CurrentOrOlder => VersionSet::Through(self.version.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_match_by_strategy() {
        let (one, two) = (Version::new("1.0").ok(), Version::new("2.0").ok());
        let (one, two) = (one.as_ref(), two.as_ref());
        assert!(VersionMatch::Any.takes(one, two));
        assert!(VersionMatch::Strict.takes(two, two) && !VersionMatch::Strict.takes(two, one));
        assert!(VersionMatch::CurrentOrOlder.takes(two, one) && VersionMatch::CurrentOrOlder.takes(two, None));
        assert!(!VersionMatch::CurrentOrOlder.takes(one, two));
    }
}
