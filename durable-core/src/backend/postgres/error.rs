//! What PostgreSQL's errors mean for a task hub. Decided by SQLSTATE, never by texts.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio_postgres::error::{Severity, SqlState};

use crate::backend::{BackendError, BackendErrorKind};

pub(super) type Result<T> = std::result::Result<T, Failure>;

/// An error on its way out.
#[derive(Debug, Clone)]
pub(super) struct Failure {
    kind: BackendErrorKind,
    what: String,
    cause: Option<Arc<tokio_postgres::Error>>,
}

impl Failure {
    pub(super) fn new(kind: BackendErrorKind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), cause: None }
    }

    pub(super) fn corrupt(what: impl Into<String>) -> Self {
        Self::new(BackendErrorKind::Corrupt, what)
    }

    pub(super) fn unavailable(what: impl Into<String>) -> Self {
        Self::new(BackendErrorKind::Unavailable, what)
    }

    /// The server has said nothing for so long that nobody waits any more. What it has done is not known.
    pub(super) fn silent(limit: Duration) -> Self {
        Self::unavailable(format!("PostgreSQL has not answered for {limit:?}; the connection is given up"))
    }

    /// A value that was read has another form than it should have.
    pub(super) fn unreadable(error: tokio_postgres::Error) -> Self {
        let what = format!("a stored value cannot be read ({})", told(&error));
        Self { kind: BackendErrorKind::Corrupt, what, cause: Some(Arc::new(error)) }
    }

    /// Why there is no connection.
    pub(super) fn of_connection(error: tokio_postgres::Error) -> Self {
        if is_distrust(&error) {
            let what = format!("the server is not trusted ({})", told(&error));
            return Self { kind: BackendErrorKind::Other, what, cause: Some(Arc::new(error)) };
        }
        if error.code().is_some() || caused_by_io(&error) {
            return error.into();
        }
        // Such as a server that has no TLS at present.
        let what = format!("there is no connection ({})", told(&error));
        Self { kind: BackendErrorKind::Unavailable, what, cause: Some(Arc::new(error)) }
    }

    /// The same failure, with what was being done put in front.
    pub(super) fn while_doing(mut self, doing: &str) -> Self {
        self.what = format!("{doing}: {}", self.what);
        self
    }

    /// What kept us from one server, and from another one. One of them may come to its senses.
    pub(super) fn and(self, other: Self) -> Self {
        let kinds = [self.kind, other.kind];
        let kind = kinds.into_iter().find(|kind| *kind == BackendErrorKind::Unavailable).unwrap_or(self.kind);
        Self { kind, what: format!("{}; {}", self.what, other.what), cause: other.cause.or(self.cause) }
    }

    /// The same failure where it has worked before with the same user, password and certificates: somebody is just changing
    /// something, so it may pass.
    pub(super) fn for_now(self) -> Self {
        Self { kind: BackendErrorKind::Unavailable, ..self }
    }

    /// What kept the answer from us to a commit that has happened. How PostgreSQL calls it says nothing of the commit.
    pub(super) fn after_commit(self) -> Self {
        Self::unavailable(format!("the answer to a commit is lost ({})", self.what))
    }

    /// True when trying again does not help.
    pub(super) fn is_hopeless(&self) -> bool {
        self.kind != BackendErrorKind::Unavailable
    }

    fn code(&self) -> Option<&str> {
        self.cause.as_ref().and_then(|cause| cause.code()).map(SqlState::code)
    }

    /// True when it is better to speak to another server, or to this one anew.
    pub(super) fn is_of_server(&self) -> bool {
        self.is_read_only() || self.code().is_some_and(|code| code.starts_with("08") || code.starts_with("57P"))
    }

    /// True when the server takes no writes.
    pub(super) fn is_read_only(&self) -> bool {
        self.code() == Some(SqlState::READ_ONLY_SQL_TRANSACTION.code())
    }

    /// True when a row with this key came into being in the meantime.
    pub(super) fn is_duplicate_of(&self, constraint: &str) -> bool {
        let error = self.cause.as_ref().and_then(|cause| cause.as_db_error());
        error.is_some_and(|error| *error.code() == SqlState::UNIQUE_VIOLATION && error.constraint() == Some(constraint))
    }

    /// True where a statement says in this way that something is not as it was thought to be.
    pub(super) fn is_division_by_zero(&self) -> bool {
        let error = self.cause.as_ref().and_then(|cause| cause.as_db_error());
        error.is_some_and(|error| *error.code() == SqlState::DIVISION_BY_ZERO)
    }

    /// True when the server has said that it ended the statement, and with it the transaction. What ends the connection says
    /// nothing about a commit that was under way.
    fn is_rolled_back(&self) -> bool {
        let error = self.cause.as_ref().and_then(|cause| cause.as_db_error());
        error.is_some_and(|error| error.parsed_severity() == Some(Severity::Error))
    }

    /// True when it is about some rows: a lock that was not to be had, a deadlock, or a statement that took too long.
    fn is_blocked(&self) -> bool {
        const BLOCKED: [SqlState; 3] =
            [SqlState::LOCK_NOT_AVAILABLE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::QUERY_CANCELED];
        self.cause.as_ref().and_then(|cause| cause.code()).is_some_and(|code| BLOCKED.contains(code))
    }

    /// The error as the outside sees it; `place` is where the hub lies, without a password.
    pub(super) fn of_hub(&self, place: &str) -> BackendError {
        let mut error = BackendError::new(self.kind, format!("the task hub {place}: {}", self.what));
        if self.is_rolled_back() {
            error = if self.is_blocked() { error.blocked() } else { error.unapplied() };
        }
        match &self.cause {
            Some(cause) => error.with_source(Arc::clone(cause)),
            None => error,
        }
    }
}

impl From<tokio_postgres::Error> for Failure {
    fn from(error: tokio_postgres::Error) -> Self {
        let (kind, what) = match error.code() {
            Some(code) => meaning(code),
            None if error.is_closed() || caused_by_io(&error) => {
                (BackendErrorKind::Unavailable, "the connection to PostgreSQL is lost")
            }
            None => (BackendErrorKind::Other, "PostgreSQL cannot be asked"),
        };
        Self { kind, what: format!("{what} ({})", told(&error)), cause: Some(Arc::new(error)) }
    }
}

/// The error with its causes, since the driver's own text says only where it was.
fn told(error: &tokio_postgres::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

fn caused_by_io(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if error.is::<io::Error>() {
            return true;
        }
        cause = error.source();
    }
    false
}

/// TLS did not come about, and will not the next time.
fn is_distrust(error: &tokio_postgres::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| inner.is::<rustls::Error>()) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn meaning(code: &SqlState) -> (BackendErrorKind, &'static str) {
    use BackendErrorKind::{Corrupt, Other, Unavailable};
    match *code {
        SqlState::DISK_FULL => (Unavailable, "the disk is full"),
        SqlState::TOO_MANY_CONNECTIONS => (Unavailable, "the server has no connection to spare"),
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            (Unavailable, "another transaction was in the way")
        }
        SqlState::LOCK_NOT_AVAILABLE => (Unavailable, "another transaction holds a lock"),
        SqlState::QUERY_CANCELED => (Unavailable, "it took too long, or was cancelled"),
        SqlState::READ_ONLY_SQL_TRANSACTION => (Unavailable, "the server is a standby at present, or read-only"),
        SqlState::DATA_CORRUPTED | SqlState::INDEX_CORRUPTED => (Corrupt, "the database is damaged"),
        SqlState::INSUFFICIENT_PRIVILEGE => (Other, "the user may not do this"),
        SqlState::INVALID_CATALOG_NAME => (Other, "there is no such database"),
        SqlState::PROGRAM_LIMIT_EXCEEDED => (Other, "a value is larger than PostgreSQL can store"),
        // Statements are the same whatever the data, so their ends are told apart by their classes.
        _ => match &code.code()[..2] {
            "08" => (Unavailable, "the connection to PostgreSQL is lost"),
            "25" | "40" => (Unavailable, "the transaction was ended"),
            "28" => (Other, "the user or the password is not accepted"),
            "53" => (Unavailable, "the server is short of something"),
            "55" => (Unavailable, "something is in use"),
            "57" => (Unavailable, "the server is going down or coming up"),
            "58" => (Unavailable, "the server's system failed"),
            _ => (Other, "PostgreSQL refused"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_decide_the_kind() {
        use BackendErrorKind::{Corrupt, Other, Unavailable};
        for (code, kind) in [
            ("08006", Unavailable), // connection failure
            ("25006", Unavailable), // a standby
            ("25P03", Unavailable), // idle in a transaction
            ("40001", Unavailable), // serialization failure
            ("40003", Unavailable), // statement completion unknown
            ("40P01", Unavailable), // deadlock
            ("53100", Unavailable), // disk full
            ("53300", Unavailable), // too many connections
            ("55P03", Unavailable), // lock timeout
            ("57014", Unavailable), // statement timeout
            ("57P01", Unavailable), // shut down
            ("57P03", Unavailable), // starting up
            ("58030", Unavailable), // input or output
            ("XX001", Corrupt),
            ("23505", Other),
            ("28P01", Other), // wrong password
            ("3D000", Other), // no such database
            ("42501", Other), // not allowed
            ("22021", Other), // a text that is none
        ] {
            assert_eq!(meaning(&SqlState::from_code(code)).0, kind, "{code}");
        }
    }
}
