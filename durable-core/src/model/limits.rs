//! How large things may become.

/// A soft limit that is told about and a hard one that is enforced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// From here on it is told about.
    pub soft: u64,
    /// Beyond this it is refused.
    pub hard: u64,
}

impl Limit {
    /// A limit; a soft one above the hard one counts as the hard one.
    #[must_use]
    pub const fn new(soft: u64, hard: u64) -> Self {
        Self { soft: if soft < hard { soft } else { hard }, hard }
    }
}

/// How large payloads, custom states and histories may become.
///
/// What exceeds a hard limit is an error that names the thing, its size and the limit. It is checked where the value
/// enters: at the call, at the return, or in the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of one input, output, event or result as JSON. The default is 1 MiB soft, 64 MiB hard.
    pub payload: Limit,
    /// Bytes of a custom status as JSON. The default is 16 KiB for both.
    pub custom_status: Limit,
    /// Events of the history of one execution. Above the soft limit `ctx.continue_as_new_suggested()` is true; an instance
    /// that exceeds the hard one fails. The default is 10,000 soft, 1,000,000 hard.
    pub history_events: Limit,
    /// Calls, timers, children and messages of one turn. The default is 100,000 soft, 250,000 hard.
    pub actions_per_turn: Limit,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            payload: Limit::new(1 << 20, 64 << 20),
            custom_status: Limit::new(16 << 10, 16 << 10),
            history_events: Limit::new(10_000, 1_000_000),
            actions_per_turn: Limit::new(100_000, 250_000),
        }
    }
}

/// A value is larger than its hard limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has {size} {unit}, more than the limit of {limit}")]
pub struct LimitExceeded {
    /// What is too large, with its name.
    pub what: String,
    /// Its size.
    pub size: u64,
    /// The hard limit.
    pub limit: u64,
    /// What is counted.
    pub unit: &'static str,
}

impl Limit {
    /// Checks a size. What lies between the limits is told to the log.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] above the hard limit.
    pub fn check(self, size: u64, unit: &'static str, what: impl FnOnce() -> String) -> Result<(), LimitExceeded> {
        if size <= self.soft {
            return Ok(());
        }
        if size > self.hard {
            return Err(LimitExceeded { what: what(), size, limit: self.hard, unit });
        }
        tracing::warn!(what = what(), size, unit, soft_limit = self.soft, hard_limit = self.hard, "a value is large");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_has_the_name_and_the_numbers() {
        let limit = Limit::new(5, 10);
        assert!(limit.check(10, "bytes", || "x".to_owned()).is_ok());
        let error = limit.check(11, "bytes", || "the input of activity 'a'".to_owned()).unwrap_err();
        assert_eq!(error.to_string(), "the input of activity 'a' has 11 bytes, more than the limit of 10");
    }
}
