//! Why a store failed.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::model::write_chain;

/// The error of a backend. Ask it with its predicates; the text is for people.
#[derive(Clone)]
pub struct BackendError {
    kind: BackendErrorKind,
    is_unapplied: bool,
    is_blocked: bool,
    message: String,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What a backend ran into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// Another process uses the store.
    InUse,
    /// The store belongs to another program, or to a newer version of this one.
    Foreign,
    /// What is stored cannot be read.
    Corrupt,
    /// The store cannot be reached or written at present; trying again may help.
    Unavailable,
    /// The store refused for a reason that trying again does not remove.
    Other,
}

impl BackendError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: BackendErrorKind, message: impl Into<String>) -> Self {
        Self { kind, is_unapplied: false, is_blocked: false, message: message.into(), source: None }
    }

    /// This error with a cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(Arc::from(source.into()));
        self
    }

    /// This error of a store that is sure that nothing was done. See [`is_unapplied`](Self::is_unapplied).
    #[must_use]
    pub fn unapplied(mut self) -> Self {
        self.is_unapplied = true;
        self
    }

    /// This error of a batch that something was in the way of. See [`is_blocked`](Self::is_blocked).
    #[must_use]
    pub fn blocked(mut self) -> Self {
        (self.is_unapplied, self.is_blocked) = (true, true);
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// True when another process uses the store.
    #[must_use]
    pub fn is_in_use(&self) -> bool {
        self.kind == BackendErrorKind::InUse
    }

    /// True when the store belongs to another program or a newer version.
    #[must_use]
    pub fn is_foreign(&self) -> bool {
        self.kind == BackendErrorKind::Foreign
    }

    /// True when what is stored cannot be read.
    #[must_use]
    pub fn is_corrupt(&self) -> bool {
        self.kind == BackendErrorKind::Corrupt
    }

    /// True when trying again may help.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        self.kind == BackendErrorKind::Unavailable
    }

    /// True when it is sure that nothing was done, so that trying again cannot do it twice. Otherwise it may have been done, and
    /// only the answer is lost.
    #[must_use]
    pub fn is_unapplied(&self) -> bool {
        self.is_unapplied
    }

    /// True when nothing of a batch was done because something was in the way of a part of it, such as a lock that somebody
    /// holds. The other part may go through without it.
    #[must_use]
    pub fn is_blocked(&self) -> bool {
        self.is_blocked
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for BackendError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}
