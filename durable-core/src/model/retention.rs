//! How long finished instances are kept.

use std::time::Duration;

use super::RuntimeStatus;

/// How long a hub keeps finished instances, by their status. Without more it keeps them for ever.
///
/// The age counts from the end of the instance. What is older is removed in the background with everything that belongs to it,
/// in small transactions, and its id is free again. It happens a little late, so that many go at once: by a 32nd of the age,
/// and by a minute at most. Live instances are never removed. Each instance counts for itself: a child goes when it is old
/// enough, also before its parent, which has its result already.
///
/// A rewind needs the instance that has failed, and those of its children that have failed with it. So keep failed ones
/// for as long as you want to be able to repair them.
///
/// ```
/// use durable_core::model::Retention;
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// const DAY: Duration = Duration::from_secs(24 * 3600);
/// let hub = TaskHub::builder().retention(Retention::all(7 * DAY).failed(90 * DAY));
///
/// let only_completed = Retention::new().completed(DAY);
/// let all_but_failed = Retention::all(DAY).failed(None);
/// assert_eq!(only_completed.age(RuntimeStatus::Failed), all_but_failed.age(RuntimeStatus::Failed));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    completed: Option<Duration>,
    failed: Option<Duration>,
    canceled: Option<Duration>,
    terminated: Option<Duration>,
}

impl Retention {
    /// Keeps everything for ever.
    #[must_use]
    pub const fn new() -> Self {
        Self { completed: None, failed: None, canceled: None, terminated: None }
    }

    /// Keeps every finished instance for this long.
    #[must_use]
    pub const fn all(age: Duration) -> Self {
        let age = Some(age);
        Self { completed: age, failed: age, canceled: age, terminated: age }
    }

    /// Keeps completed instances for this long; `None` is for ever.
    #[must_use]
    pub fn completed(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.completed = age.into();
        self
    }

    /// Keeps failed instances for this long; `None` is for ever.
    #[must_use]
    pub fn failed(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.failed = age.into();
        self
    }

    /// Keeps canceled instances for this long; `None` is for ever.
    #[must_use]
    pub fn canceled(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.canceled = age.into();
        self
    }

    /// Keeps terminated instances for this long; `None` is for ever.
    #[must_use]
    pub fn terminated(mut self, age: impl Into<Option<Duration>>) -> Self {
        self.terminated = age.into();
        self
    }

    /// How long instances with this status are kept; `None` is for ever, as it is for all that are not finished.
    #[must_use]
    pub const fn age(&self, status: RuntimeStatus) -> Option<Duration> {
        match status {
            RuntimeStatus::Completed => self.completed,
            RuntimeStatus::Failed => self.failed,
            RuntimeStatus::Canceled => self.canceled,
            RuntimeStatus::Terminated => self.terminated,
            RuntimeStatus::Running
            | RuntimeStatus::ContinuedAsNew
            | RuntimeStatus::Pending
            | RuntimeStatus::Suspended => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn what_is_said_last_holds() {
        let retention = Retention::new().failed(DAY).failed(2 * DAY).terminated(DAY).terminated(None);
        let ages = RuntimeStatus::ALL.map(|status| retention.age(status));
        assert_eq!(ages.into_iter().flatten().collect::<Vec<_>>(), [2 * DAY]);
        assert_eq!(retention.age(RuntimeStatus::Failed), Some(2 * DAY));
    }

    #[test]
    fn all_means_all_that_are_finished() {
        for status in RuntimeStatus::ALL {
            assert_eq!(Retention::all(DAY).age(status).is_some(), status.is_terminal(), "{status}");
        }
    }
}
