//! Limits and policies of a worker.

use std::time::Duration;

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

/// How much a worker runs at once, and how it treats trouble.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// The most turns that run or are being committed at once.
    pub max_turns: usize,
    /// The most activities that run at once.
    pub max_activities: usize,
    /// The most orchestrators whose futures stay in memory between their turns.
    pub warm_instances: usize,
    /// What happens to an instance whose code no longer fits its history.
    pub non_determinism: NonDeterminismPolicy,
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
            warm_instances: 10_000,
            non_determinism: NonDeterminismPolicy::Stall,
            stall_pause: (Duration::from_secs(1), Duration::from_secs(300)),
            drain_timeout: Duration::from_secs(30),
        }
    }
}
