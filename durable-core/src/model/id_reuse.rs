//! What a start does with an id that is taken.

use super::RuntimeStatus;

/// What happens when an instance is started under an id that another one has. It is decided inside the insert, so that of
/// two starts at the same time exactly one wins.
///
/// ```
/// use durable_core::model::{IdReusePolicy, RuntimeStatus};
///
/// let policy = IdReusePolicy::replacing([RuntimeStatus::Failed]).or_keep();
/// assert!(policy.replaces(RuntimeStatus::Failed));
/// assert!(!policy.replaces(RuntimeStatus::Running));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdReusePolicy {
    /// One bit for each status, at its number.
    replaced: u8,
    keeps: bool,
}

impl IdReusePolicy {
    /// A finished instance is replaced, a live one makes the start fail. This is the default.
    #[must_use]
    pub const fn replace_finished() -> Self {
        let finished = Self::bit(RuntimeStatus::Completed)
            | Self::bit(RuntimeStatus::Failed)
            | Self::bit(RuntimeStatus::Canceled)
            | Self::bit(RuntimeStatus::Terminated);
        Self { replaced: finished, keeps: false }
    }

    /// Any instance makes the start fail.
    #[must_use]
    pub const fn never() -> Self {
        Self { replaced: 0, keeps: false }
    }

    /// Any instance is replaced, also one that runs: it ends without a word. A live child of another instance is never
    /// replaced, since its parent waits for it.
    #[must_use]
    pub const fn replace_any() -> Self {
        Self { replaced: u8::MAX, keeps: false }
    }

    /// An instance in one of these states is replaced; any other makes the start fail.
    #[must_use]
    pub fn replacing(statuses: impl IntoIterator<Item = RuntimeStatus>) -> Self {
        Self { replaced: statuses.into_iter().fold(0, |bits, status| bits | Self::bit(status)), keeps: false }
    }

    /// Where this policy would make the start fail, the existing instance stays as it is, and the start gives its id.
    #[must_use]
    pub const fn or_keep(self) -> Self {
        Self { keeps: true, ..self }
    }

    /// True when an instance in this state is replaced.
    #[must_use]
    pub const fn replaces(self, status: RuntimeStatus) -> bool {
        self.replaced & Self::bit(status) != 0
    }

    /// True when an existing instance that is not replaced is as good as a new one.
    #[must_use]
    pub const fn keeps_existing(self) -> bool {
        self.keeps
    }

    /// The states in which an instance is replaced.
    #[must_use]
    pub fn replaced(self) -> Vec<RuntimeStatus> {
        RuntimeStatus::ALL.into_iter().filter(|status| self.replaces(*status)).collect()
    }

    const fn bit(status: RuntimeStatus) -> u8 {
        1 << status.code()
    }
}

impl Default for IdReusePolicy {
    fn default() -> Self {
        Self::replace_finished()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_replaces_what_is_finished() {
        for status in RuntimeStatus::ALL {
            assert_eq!(IdReusePolicy::default().replaces(status), status.is_terminal(), "{status}");
            assert!(!IdReusePolicy::never().replaces(status));
            assert!(IdReusePolicy::replace_any().replaces(status));
        }
    }
}
