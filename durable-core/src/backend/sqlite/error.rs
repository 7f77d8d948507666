//! What SQLite's errors mean for a task hub. Decided by error codes, never by texts.

use std::path::Path;
use std::sync::Arc;

use rusqlite::ErrorCode;

use crate::backend::{BackendError, BackendErrorKind};

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// An error on its way out. It can be told to several callers, whose writes shared a transaction.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: BackendErrorKind,
    what: String,
    cause: Option<Arc<rusqlite::Error>>,
}

impl Failure {
    pub(super) fn new(kind: BackendErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None }
    }

    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(BackendErrorKind::Corrupt, what)
    }

    /// The same failure, with what was being done put in front.
    pub(super) fn while_doing(mut self, doing: &str) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    pub(super) fn of_file(&self, path: &Path) -> BackendError {
        let error = BackendError::new(self.kind, format!("the task hub {}: {}", path.display(), self.what));
        match &self.cause {
            Some(cause) => error.with_source(Arc::clone(cause)),
            None => error,
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        let (kind, what) = meaning(&error);
        Self { kind, what: format!("{what} ({error})"), cause: Some(Arc::new(error)) }
    }
}

fn meaning(error: &rusqlite::Error) -> (BackendErrorKind, &'static str) {
    use BackendErrorKind::{Corrupt, Other, Unavailable};
    match error {
        rusqlite::Error::FromSqlConversionFailure(..)
        | rusqlite::Error::IntegralValueOutOfRange(..)
        | rusqlite::Error::InvalidColumnType(..)
        | rusqlite::Error::Utf8Error(..) => return (Corrupt, "a stored value cannot be read"),
        _ => {}
    }
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => (Corrupt, "the file is not a database"),
        Some(ErrorCode::DatabaseCorrupt) => (Corrupt, "the file is damaged"),
        Some(ErrorCode::DiskFull) => (Unavailable, "the disk is full"),
        Some(ErrorCode::SystemIoFailure) => (Unavailable, "the disk failed"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::FileLockingProtocolFailed) => {
            (Unavailable, "another program holds a lock on the file")
        }
        Some(ErrorCode::CannotOpen) => (Unavailable, "the file cannot be opened"),
        Some(ErrorCode::ReadOnly) => (Unavailable, "the file cannot be written"),
        Some(ErrorCode::OutOfMemory) => (Unavailable, "there is not enough memory"),
        Some(ErrorCode::OperationInterrupted | ErrorCode::OperationAborted) => (Unavailable, "it was interrupted"),
        Some(ErrorCode::TooBig) => (Other, "a value is larger than SQLite can store"),
        _ => (Other, "SQLite refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: i32) -> BackendErrorKind {
        Failure::from(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None)).kind
    }

    #[test]
    fn codes_decide_the_kind() {
        use rusqlite::ffi;
        assert_eq!(kind(ffi::SQLITE_FULL), BackendErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_IOERR_FSYNC), BackendErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_BUSY_SNAPSHOT), BackendErrorKind::Unavailable);
        assert_eq!(kind(ffi::SQLITE_CORRUPT_INDEX), BackendErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_NOTADB), BackendErrorKind::Corrupt);
        assert_eq!(kind(ffi::SQLITE_CONSTRAINT_PRIMARYKEY), BackendErrorKind::Other);
        assert_eq!(kind(ffi::SQLITE_TOOBIG), BackendErrorKind::Other);
    }
}
