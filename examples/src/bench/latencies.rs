//! Times that things took, and their percentiles. Where there are none, those are not measured.

use std::time::Duration;

use super::verdict::NOT_MEASURED;

/// Times that things took.
#[derive(Debug, Clone, Default)]
pub(super) struct Latencies(Vec<Duration>);

impl Latencies {
    pub(super) fn push(&mut self, time: Duration) {
        self.0.push(time);
    }

    pub(super) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(super) fn into_times(self) -> Vec<Duration> {
        self.0
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    pub(super) fn median_ms(&self) -> f64 {
        self.percentile_ms(50)
    }

    /// The smallest time that at least so many percent of all do not exceed, in milliseconds.
    pub(super) fn percentile_ms(&self, percent: usize) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).max(1);
        sorted.get(rank - 1).copied().map_or(NOT_MEASURED, ms)
    }

    pub(super) fn max_ms(&self) -> f64 {
        self.0.iter().max().copied().map_or(NOT_MEASURED, ms)
    }
}

impl FromIterator<Duration> for Latencies {
    fn from_iter<I: IntoIterator<Item = Duration>>(times: I) -> Self {
        Self(times.into_iter().collect())
    }
}

pub(super) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let times: Latencies = (1..=200).rev().map(Duration::from_millis).collect();
        assert_eq!((times.median_ms(), times.percentile_ms(99), times.max_ms()), (100.0, 198.0, 200.0));
    }

    #[test]
    fn no_times_have_no_percentiles() {
        let none = Latencies::default();
        assert!(none.median_ms().is_nan() && none.percentile_ms(99).is_nan() && none.max_ms().is_nan());
    }
}
