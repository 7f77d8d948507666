//! Why something is no recorded history.

use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use durable_core::client::ClientError;
use durable_core::model::InstanceId;

use super::file::VERSION;

/// A history could not be recorded, read or written.
#[derive(Debug)]
pub struct RecordingError {
    kind: RecordingErrorKind,
    path: Option<PathBuf>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingErrorKind {
    /// No instance has this id.
    NotFound {
        /// The id.
        id: InstanceId,
    },
    /// The client failed.
    Client,
    /// The file cannot be read or written.
    File,
    /// The text is no recorded history.
    Garbage {
        /// What is wrong with it.
        problem: String,
    },
    /// The file has a version that this program does not know.
    UnknownVersion {
        /// The version.
        version: u64,
    },
    /// The history has no beginning: the instance has not run yet, or events are missing.
    Incomplete {
        /// What is missing.
        problem: &'static str,
    },
}

impl RecordingError {
    pub(super) fn new(kind: RecordingErrorKind) -> Self {
        Self { kind, path: None, source: None }
    }

    pub(super) fn garbage(problem: impl fmt::Display) -> Self {
        Self::new(RecordingErrorKind::Garbage { problem: problem.to_string() })
    }

    pub(super) fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    pub(super) fn of_file(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &RecordingErrorKind {
        &self.kind
    }

    /// The file that it is about.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// True when there is no such instance.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, RecordingErrorKind::NotFound { .. })
    }

    /// True when the file has a version that this program does not know.
    #[must_use]
    pub fn is_unknown_version(&self) -> bool {
        matches!(self.kind, RecordingErrorKind::UnknownVersion { .. })
    }

    /// True when the text is no recorded history at all.
    #[must_use]
    pub fn is_garbage(&self) -> bool {
        matches!(self.kind, RecordingErrorKind::Garbage { .. })
    }

    /// True when the history has no beginning.
    #[must_use]
    pub fn is_incomplete(&self) -> bool {
        matches!(self.kind, RecordingErrorKind::Incomplete { .. })
    }
}

impl fmt::Display for RecordingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = &self.path {
            write!(f, "{}: ", path.display())?;
        }
        match &self.kind {
            RecordingErrorKind::NotFound { id } => write!(f, "there is no instance '{id}'"),
            RecordingErrorKind::Client => f.write_str("the history cannot be read from the hub"),
            RecordingErrorKind::File => f.write_str("the file cannot be read or written"),
            RecordingErrorKind::Garbage { problem } => write!(f, "this is no recorded history: {problem}"),
            RecordingErrorKind::UnknownVersion { version } if *version > VERSION => write!(
                f,
                "the history was recorded in version {version} of the format, and this program reads version {VERSION}: \
                 use the newer durable-testing that wrote it"
            ),
            RecordingErrorKind::UnknownVersion { version } => write!(
                f,
                "the history was recorded in version {version} of the format, and this program reads version {VERSION}: \
                 record it once more"
            ),
            RecordingErrorKind::Incomplete { problem } => write!(f, "the history is not complete: {problem}"),
        }
    }
}

impl Error for RecordingError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<ClientError> for RecordingError {
    fn from(error: ClientError) -> Self {
        Self::new(RecordingErrorKind::Client).with_source(error)
    }
}
