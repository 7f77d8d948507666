//! Where in the user's source a durable call was made.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

/// The source position of a call, as `file:line:column`.
///
/// It is stored with the call's history event, is never compared, and makes determinism reports readable.
#[derive(Clone, PartialEq, Eq)]
pub enum SourceLocation {
    /// A position in the running program.
    Here(&'static Location<'static>),
    /// A position that was stored by this or an earlier program.
    Stored(Arc<str>),
}

impl SourceLocation {
    /// The position of the caller.
    #[must_use]
    #[track_caller]
    pub fn caller() -> Self {
        Self::Here(Location::caller())
    }
}

impl fmt::Display for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here(location) => write!(f, "{}:{}:{}", location.file(), location.line(), location.column()),
            Self::Stored(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for SourceLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
