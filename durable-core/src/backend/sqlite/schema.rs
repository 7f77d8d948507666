//! Opening a file: whose it is, which version it has, and how it is used.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Failure, Result};
use super::guard::io_failure;
use super::space::LOG_LIMIT;
use crate::backend::BackendErrorKind;

/// Marks a file as a task hub ("DFRS").
const APPLICATION_ID: u32 = 0x4446_5253;

/// One file of statements for each version; version n is what the first n files make.
const MIGRATIONS: &[&str] = &[include_str!("migrations/0001.sql")];

/// Older ones could corrupt a database in WAL mode that has several connections.
const OLDEST_SQLITE: i32 = 3_051_003;

/// How long a shell may keep the file locked for writing before a commit fails.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// When a commit is safe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Durability {
    /// Once it returned.
    #[default]
    Full,
    /// Some time later; the file is consistent nevertheless.
    Relaxed,
}

/// Opens the file for writing, creates or migrates its tables, and checks that the settings took hold.
pub(super) fn open_writer(path: &Path, durability: Durability) -> Result<Connection> {
    check_sqlite(rusqlite::version_number(), rusqlite::version())?;
    look_at(path)?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut conn = Connection::open_with_flags(path, flags)?;
    prepare(&conn)?;
    migrate(&mut conn)?;
    // Only now: the mark of the first migration is then in the file itself, where `look_at` finds it after any crash.
    set(&conn, "journal_mode", "wal", "wal")?;
    match durability {
        Durability::Full => set(&conn, "synchronous", "FULL", "2")?,
        Durability::Relaxed => set(&conn, "synchronous", "NORMAL", "1")?,
    }
    // KiB. Ids are inserted in random order, which the default of 2 MiB does not bear. But whenever a page was split, SQLite
    // looks through all of them at the next commit, so much more costs more than it saves.
    set(&conn, "cache_size", "-16384", "-16384")?;
    set(&conn, "wal_autocheckpoint", "4000", "4000")?;
    // After a burst the log shrinks again.
    let limit = LOG_LIMIT.to_string();
    set(&conn, "journal_size_limit", &limit, &limit)?;
    // The first look opens the log. Only who has it open removes it when closing, which readers may not.
    conn.query_row("SELECT count(*) FROM workers", [], |_| Ok(()))?;
    Ok(conn)
}

/// Opens the file, which [`open_writer`] has prepared, for queries.
pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    // Without a memory map, under which a failing disk would end the process instead of a query.
    let conn = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    prepare(&conn)?;
    set(&conn, "query_only", "1", "1")?;
    set(&conn, "cache_size", "-8192", "-8192")?;
    Ok(conn)
}

/// A reader that gives up at once when it would have to wait.
pub(super) fn open_look(path: &Path) -> Result<Connection> {
    let conn = open_reader(path)?;
    conn.busy_timeout(Duration::ZERO)?;
    Ok(conn)
}

fn prepare(conn: &Connection) -> Result<()> {
    conn.busy_timeout(PATIENCE)?;
    conn.set_prepared_statement_cache_capacity(128);
    // Otherwise a value that could change the plan has its statement compiled again at every use.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    set(conn, "temp_store", "MEMORY", "2")
}

/// Sets a pragma and reads it back, because SQLite ignores what it does not understand.
fn set(conn: &Connection, pragma: &str, value: &str, expected: &str) -> Result<()> {
    conn.pragma_update(None, pragma, value)?;
    let found = conn.pragma_query_value(None, pragma, |row| {
        Ok(match row.get_ref(0)? {
            rusqlite::types::ValueRef::Integer(number) => number.to_string(),
            other => String::from_utf8_lossy(other.as_bytes()?).into_owned(),
        })
    })?;
    if found == expected {
        return Ok(());
    }
    let what =
        format!("SQLite set {pragma} to {found} instead of {value}; does its file system support shared memory?");
    Err(Failure::new(BackendErrorKind::Other, what))
}

fn check_sqlite(number: i32, version: &str) -> Result<()> {
    if number >= OLDEST_SQLITE {
        return Ok(());
    }
    let what =
        format!("SQLite {version} may corrupt a file under several connections; link SQLite 3.51.3 or newer instead");
    Err(Failure::new(BackendErrorKind::Other, what))
}

/// Reads the header without SQLite, which could recover, and so change, a file that is not ours.
fn look_at(path: &Path) -> Result<()> {
    let mut header = [0; 100];
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_failure("it cannot be opened", &error)),
    };
    let mut len = 0;
    while len < header.len() {
        match file.read(&mut header[len..]).map_err(|error| io_failure("it cannot be read", &error))? {
            0 => break,
            more => len += more,
        }
    }
    // A file of zeros is what a power cut in the first transaction can leave; SQLite knows what to do.
    if len == 0 || header == [0; 100] {
        return Ok(());
    }
    if len < header.len() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Failure::corrupt("the file is not a database; name another file, or one that does not exist yet"));
    }
    match u32::from_be_bytes([header[68], header[69], header[70], header[71]]) {
        APPLICATION_ID => Ok(()),
        _ => Err(foreign()),
    }
}

fn foreign() -> Failure {
    let what = "the file is a database of another program; name another file, or one that does not exist yet";
    Failure::new(BackendErrorKind::Foreign, what)
}

fn migrate(conn: &mut Connection) -> Result<()> {
    let number = |conn: &Connection, pragma| conn.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let version = number(conn, "user_version")?;
    match number(conn, "application_id")? {
        0 if version == 0 => {}
        id if id == i64::from(APPLICATION_ID) => {}
        _ => return Err(foreign()),
    }
    let Some(missing) = usize::try_from(version).ok().and_then(|done| MIGRATIONS.get(done..)) else {
        let what = format!(
            "the file has version {version}, and this program knows only up to {}; it was written by a newer version \
             of this program: use that one",
            MIGRATIONS.len()
        );
        return Err(Failure::new(BackendErrorKind::Foreign, what));
    };
    for (version, statements) in (version + 1..).zip(missing) {
        let tx = conn.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        tx.execute_batch(statements)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", version)?;
        tx.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_sqlite_is_refused() {
        assert!(check_sqlite(3_051_003, "3.51.3").is_ok());
        let error = check_sqlite(3_046_000, "3.46.0").unwrap_err().of_file(Path::new("hub.db"));
        assert_eq!(error.kind(), BackendErrorKind::Other);
        assert!(error.to_string().contains("SQLite 3.46.0"), "{error}");
    }

    #[test]
    fn a_pragma_that_does_not_take_hold_is_an_error() {
        let conn = Connection::open_in_memory().unwrap();
        assert!(set(&conn, "journal_mode", "wal", "wal").is_err());
        assert!(set(&conn, "synchronous", "FULL", "2").is_ok());
    }

    #[test]
    fn migrating_twice_changes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("hub.db");
        let dump = || {
            let mut conn = Connection::open(&path).unwrap();
            migrate(&mut conn).unwrap();
            let mut query = conn.prepare("SELECT name || coalesce(sql, '') FROM sqlite_schema ORDER BY 1").unwrap();
            let rows = query.query_map([], |row| row.get::<_, String>(0)).unwrap();
            rows.collect::<rusqlite::Result<Vec<_>>>().unwrap()
        };
        assert_eq!(dump(), dump());
    }
}
