//! Why a set of starters cannot be built.

use std::fmt;

use durable_core::activity::StateKey;

/// Everything that is wrong with a set of starters.
#[derive(Clone, PartialEq, Eq)]
pub struct StartersError {
    mistakes: Vec<Mistake>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mistake {
    Ambiguous { method: String, names: [String; 2], routes: [String; 2] },
    MissingState { starter: String, key: StateKey },
    TwoStates { name: &'static str },
    Route { starter: String, problem: String },
}

impl StartersError {
    pub(super) fn new(mistakes: Vec<Mistake>) -> Self {
        Self { mistakes }
    }

    /// What is wrong, one line each.
    #[must_use]
    pub fn mistakes(&self) -> Vec<String> {
        self.mistakes.iter().map(ToString::to_string).collect()
    }

    /// True when two starters answer the same requests.
    #[must_use]
    pub fn is_ambiguous(&self) -> bool {
        self.mistakes.iter().any(|mistake| matches!(mistake, Mistake::Ambiguous { .. }))
    }

    /// True when a starter needs state that was not given.
    #[must_use]
    pub fn is_missing_state(&self) -> bool {
        self.mistakes.iter().any(|mistake| matches!(mistake, Mistake::MissingState { .. }))
    }

    /// The names of the starters that answer the same requests, in pairs.
    pub fn ambiguous(&self) -> impl Iterator<Item = [&str; 2]> {
        self.mistakes.iter().filter_map(|mistake| match mistake {
            Mistake::Ambiguous { names: [a, b], .. } => Some([a.as_str(), b.as_str()]),
            _ => None,
        })
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ambiguous { method, names: [a, b], routes: [of_a, of_b] } => write!(
                f,
                "the starters '{a}' ({method} {of_a}) and '{b}' ({method} {of_b}) answer the same requests: give one of them another route or method"
            ),
            Self::MissingState { starter, key } => write!(
                f,
                "the starter '{starter}' needs state of type `{}`: add `.state(value)` with one",
                key.type_name()
            ),
            Self::TwoStates { name } => {
                write!(f, "there are two states of type `{name}`: wrap one of them in a type of its own")
            }
            Self::Route { starter, problem } => write!(f, "the route of '{starter}' is not valid: {problem}"),
        }
    }
}

impl fmt::Display for StartersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the HTTP starters do not go together: {}", self.mistakes().join("; "))
    }
}

impl fmt::Debug for StartersError {
    /// The text: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for StartersError {}
