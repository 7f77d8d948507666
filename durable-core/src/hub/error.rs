//! Why a task hub does not start.

use std::error::Error;
use std::fmt;

use crate::backend::BackendError;
use crate::engine::SourceError;
use crate::model::write_chain;

/// The error of a start: everything that is wrong with the description of the hub, or why its store does not open.
pub struct StartError {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Mistakes(Vec<String>),
    Backend(BackendError),
    Source(SourceError),
}

impl StartError {
    pub(super) fn mistakes(mistakes: Vec<String>) -> Self {
        Self { kind: Kind::Mistakes(mistakes) }
    }

    /// What is wrong with the description of the hub, one line each; empty when the store is to blame.
    #[must_use]
    pub fn mistakes_in_builder(&self) -> &[String] {
        match &self.kind {
            Kind::Mistakes(mistakes) => mistakes,
            Kind::Backend(_) | Kind::Source(_) => &[],
        }
    }

    /// True when the store does not open.
    #[must_use]
    pub fn is_backend(&self) -> bool {
        !matches!(self.kind, Kind::Mistakes(_))
    }
}

impl fmt::Debug for StartError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Mistakes(mistakes) => write!(f, "the task hub is not complete: {}", mistakes.join("; ")),
            Kind::Backend(_) | Kind::Source(_) => f.write_str("the store of the task hub does not open"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.kind {
            Kind::Mistakes(_) => None,
            Kind::Backend(error) => Some(error),
            Kind::Source(error) => Some(error),
        }
    }
}

impl From<BackendError> for StartError {
    fn from(error: BackendError) -> Self {
        Self { kind: Kind::Backend(error) }
    }
}

impl From<SourceError> for StartError {
    fn from(error: SourceError) -> Self {
        Self { kind: Kind::Source(error) }
    }
}
