//! When a failed call is tried again.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::model::FailureDetails;

type Predicate = Arc<dyn Fn(&FailureDetails) -> bool + Send + Sync>;

/// When a failed call is tried again, and how long it waits before.
///
/// After a failure these are asked in this order: a failure that is not retriable stands; so does that of the last attempt,
/// one that the predicate does not want, and one that comes after the retry timeout. Else the next attempt follows after
/// `first_interval * backoff_coefficient ^ (failures - 1)`, at most `max_interval`, and not before the time that the failure
/// itself asks for.
///
/// ```
/// use durable_core::orchestration::RetryPolicy;
/// use std::time::Duration;
///
/// let policy = RetryPolicy::exponential(5, Duration::from_secs(1))
///     .max_interval(Duration::from_secs(30))
///     .jitter(0.2)
///     .handle(|failure| failure.error_type != "OutOfStock");
/// ```
#[derive(Clone)]
pub struct RetryPolicy {
    pub(super) max_attempts: u32,
    pub(super) first_interval: Duration,
    pub(super) backoff: f64,
    max_interval: Duration,
    retry_timeout: Duration,
    pub(super) jitter: f64,
    predicate: Option<Predicate>,
}

impl RetryPolicy {
    /// At most so many attempts, the first one included, with the same time between them. 0 counts as 1.
    #[must_use]
    pub fn fixed(max_attempts: u32, interval: Duration) -> Self {
        Self {
            max_attempts: max_attempts.max(1),
            first_interval: interval,
            backoff: 1.0,
            max_interval: Duration::MAX,
            retry_timeout: Duration::MAX,
            jitter: 0.0,
            predicate: None,
        }
    }

    /// At most so many attempts, the first one included, where the time between them doubles. 0 counts as 1.
    #[must_use]
    pub fn exponential(max_attempts: u32, first_interval: Duration) -> Self {
        Self::fixed(max_attempts, first_interval).backoff_coefficient(2.0)
    }

    /// By what the interval grows from attempt to attempt. What is below 1, or no number, counts as 1.
    #[must_use]
    pub fn backoff_coefficient(mut self, coefficient: f64) -> Self {
        self.backoff = coefficient.max(1.0);
        self
    }

    /// The longest interval. Without it there is none.
    #[must_use]
    pub fn max_interval(mut self, interval: Duration) -> Self {
        self.max_interval = interval;
        self
    }

    /// No attempt follows a failure that comes this long after the first attempt began. The interval before the last attempt
    /// may exceed it.
    #[must_use]
    pub fn retry_timeout(mut self, timeout: Duration) -> Self {
        self.retry_timeout = timeout;
        self
    }

    /// Shortens each interval by a random part of up to `fraction`, from 0 to 1, so that calls that failed together are not
    /// repeated together. The same in every replay.
    #[must_use]
    pub fn jitter(mut self, fraction: f64) -> Self {
        self.jitter = fraction.clamp(0.0, 1.0);
        if self.jitter.is_nan() {
            self.jitter = 0.0;
        }
        self
    }

    /// Tries again only after failures that `predicate` wants. One that panics does not.
    ///
    /// # Determinism
    ///
    /// The predicate is asked in every replay: it must depend on the failure alone.
    #[must_use]
    pub fn handle(mut self, predicate: impl Fn(&FailureDetails) -> bool + Send + Sync + 'static) -> Self {
        self.predicate = Some(Arc::new(predicate));
        self
    }

    /// True when attempt number `attempt`, which failed after `elapsed`, is followed by another one.
    pub(super) fn wants_more(&self, attempt: u32, elapsed: Duration, failure: &FailureDetails) -> bool {
        attempt < self.max_attempts && self.accepts(failure) && elapsed < self.retry_timeout
    }

    fn accepts(&self, failure: &FailureDetails) -> bool {
        let Some(predicate) = &self.predicate else { return true };
        catch_unwind(AssertUnwindSafe(|| predicate(failure))).unwrap_or_else(|panic| {
            // A panic is dropped with care: it may panic again.
            drop(FailureDetails::from_panic(panic));
            false
        })
    }

    /// The interval with a factor that has grown by the coefficient after each failure. The factor may be infinite.
    pub(super) fn interval(&self, factor: f64) -> Duration {
        let seconds = self.first_interval.as_secs_f64() * factor;
        // 0 times infinity is no number, and is still no time at all.
        let seconds = if seconds.is_nan() { 0.0 } else { seconds };
        Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX).min(self.max_interval)
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("max_attempts", &self.max_attempts)
            .field("first_interval", &self.first_interval)
            .field("backoff_coefficient", &self.backoff)
            .field("max_interval", &self.max_interval)
            .field("retry_timeout", &self.retry_timeout)
            .field("jitter", &self.jitter)
            .finish_non_exhaustive()
    }
}
