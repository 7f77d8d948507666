//! A store that is away fails every request. The log has that once in a while, and not for each of them.

use std::error::Error;
use std::time::{Duration, Instant};

use durable_core::backend::BackendError;
use durable_core::client::ClientError;
use parking_lot::Mutex;

/// How long the log is left alone.
const PAUSE: Duration = Duration::from_secs(30);

static OUTAGE: Seldom = Seldom(Mutex::new(None));

/// Writes to the log what the caller does not get to see.
pub(crate) fn tell(error: &ClientError) {
    let cause = error as &dyn Error;
    let is_away = error.source().and_then(|source| source.downcast_ref()).is_some_and(BackendError::is_retryable);
    if !is_away {
        tracing::error!(error = cause, "a request failed");
    } else if let Some(untold) = OUTAGE.due(Instant::now()) {
        tracing::error!(error = cause, untold, "requests fail while the store is away");
    } else {
        tracing::debug!(error = cause, "a request failed");
    }
}

/// When something was told last, and how often it has happened since.
struct Seldom(Mutex<Option<(Instant, u64)>>);

impl Seldom {
    /// How often it was not told before, if it is to be told now.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock();
        match &mut *last {
            Some((told, untold)) if now.saturating_duration_since(*told) < PAUSE => {
                *untold += 1;
                None
            }
            last => Some(last.replace((now, 0)).map_or(0, |(_, untold)| untold)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_all_the_time_is_told_once_in_a_while() {
        let (seldom, begin) = (Seldom(Mutex::new(None)), Instant::now());
        let due = |seconds| seldom.due(begin + Duration::from_secs(seconds));
        assert_eq!([0, 0, 1, 29].map(due), [Some(0), None, None, None]);
        assert_eq!([30, 59, 61].map(due), [Some(3), None, Some(1)]);
    }
}
