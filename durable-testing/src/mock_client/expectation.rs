//! One expectation: which calls it is about, how many of them, and what they are answered.

use std::any::Any;
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use durable_core::client::ClientError;
use parking_lot::Mutex;

use super::Call;

/// The answer to a call; what is in the box is fixed by the kind of call.
pub(super) type Reply = Result<Box<dyn Any + Send>, ClientError>;
/// What makes the answers. It is called without any lock of the mock, so that it may ask the mock.
pub(super) type Answer = Arc<Mutex<dyn FnMut(&Call) -> Reply + Send>>;

/// What a call has to be like, with the words for it.
pub(super) struct Condition {
    pub(super) text: String,
    pub(super) holds: Box<dyn Fn(&Call) -> bool + Send + Sync>,
}

/// Which calls are meant.
pub(super) struct Pattern {
    pub(super) operation: &'static str,
    pub(super) conditions: Vec<Condition>,
}

impl Pattern {
    /// The conditions that the call does not meet; `None` when it is another kind of call.
    fn broken(&self, call: &Call) -> Option<Vec<&str>> {
        if self.operation != call.operation() {
            return None;
        }
        let broken = self.conditions.iter().filter(|condition| !(condition.holds)(call));
        Some(broken.map(|condition| condition.text.as_str()).collect())
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation)?;
        self.conditions.iter().try_for_each(|condition| write!(f, " {}", condition.text))
    }
}

/// How many calls there have to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) least: usize,
    pub(super) most: usize,
}

impl Times {
    pub(super) const ONCE: Self = Self::exactly(1);

    pub(super) const fn exactly(n: usize) -> Self {
        Self { least: n, most: n }
    }

    pub(super) const fn at_least(n: usize) -> Self {
        Self { least: n, most: usize::MAX }
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.least, self.most) {
            (_, 0) => f.write_str("never"),
            (1, 1) => f.write_str("once"),
            (0, usize::MAX) => f.write_str("any number of times"),
            (1, usize::MAX) => f.write_str("at least once"),
            (least, _) => write!(f, "{least} times"),
        }
    }
}

pub(super) struct Expectation {
    pub(super) pattern: Pattern,
    pub(super) times: Times,
    pub(super) answer: Answer,
    pub(super) location: &'static Location<'static>,
    pub(super) came: usize,
}

impl Expectation {
    pub(super) fn fits(&self, call: &Call) -> bool {
        self.pattern.broken(call).is_some_and(|broken| broken.is_empty())
    }

    pub(super) fn has_room(&self) -> bool {
        self.came < self.times.most
    }

    pub(super) fn is_met(&self) -> bool {
        self.came >= self.times.least
    }

    /// Why the call was not taken for this one; `None` when it is another kind of call.
    pub(super) fn why_not(&self, call: &Call) -> Option<String> {
        let broken = self.pattern.broken(call)?;
        Some(if !broken.is_empty() {
            format!("the call is not {}", broken.join(", nor "))
        } else if self.times.most == 0 {
            "the call fits, and must not be made".to_owned()
        } else if self.has_room() {
            "the call fits, but it is not its turn".to_owned()
        } else {
            "the call fits, but has been made often enough".to_owned()
        })
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}; expected {}, came {}", self.location, self.pattern, self.times, self.came)
    }
}
