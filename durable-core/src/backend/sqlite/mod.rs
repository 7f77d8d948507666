//! The embedded backend: one SQLite file for each task hub.
//!
//! The file belongs to one process at a time, and any program can read it: its tables are described in
//! `migrations/0001.sql` beside this module's source, and views such as `instances_readable` show its times as text.
//!
//! Writes go through one connection on a thread of its own, in transactions that callers share when they come at the same
//! time; queries have connections and threads of their own, and the row of one instance is read by the caller's thread.
//! Nothing polls: an idle store uses no processor time.

mod claim;
mod commit;
mod create;
mod error;
mod expire;
mod guard;
mod list;
mod look;
mod message;
mod next;
mod owned;
mod purge;
mod query;
mod reach;
mod rewind;
mod schema;
mod space;
mod statements;
mod turn;
mod writer;

use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rusqlite::Connection;

use self::guard::Guard;
use self::look::{Looks, Snapshots};
use self::schema::Durability;
use self::statements::Statements;
use self::writer::Threads;
use super::{
    ActivityRow, Attached, Backend, BackendError, CountRow, HistoryRow, InstanceFilter, InstanceKey, InstanceRow,
    Owned, RunnableOrchestrators, SharedBackend, TimerRow, WorkerId, Write, Written,
};

/// Queries that can run at the same time on threads of their own.
const READERS: usize = 2;

/// The most rows of a history that its reader does not leave to another thread.
const SHORT_HISTORY: usize = 64;

/// Small queries that can run at the same time on the threads of their callers.
const LOOKS: usize = 4;

/// A task hub in a SQLite file. Clones share it; when the last one is dropped, the file is closed and free for another
/// process.
///
/// What [`commit`](Backend::commit) reports is on the disk: it survives a power cut. See
/// [`SqliteOptions::relaxed_durability`] for the other choice.
///
/// ```
/// use durable_core::backend::sqlite::Sqlite;
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("hub.db");
/// let store = Sqlite::open(&path)?;
///
/// let second = Sqlite::open(&path).unwrap_err();
/// assert!(second.is_in_use());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Sqlite {
    hub: Arc<Hub>,
}

/// In the order in which they are given up: the last connection to close tidies the file up, and only then is it free.
struct Hub {
    looks: Looks,
    readers: Threads,
    writer: Threads,
    path: Arc<Path>,
    _guard: Guard,
}

impl Sqlite {
    /// Opens the file, or creates it.
    ///
    /// # Errors
    ///
    /// The file is in use by another process (or opened already in this one), belongs to another program or to a newer
    /// version of this one, is damaged, or cannot be reached.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, BackendError> {
        Self::options().open(path)
    }

    /// How to open a file otherwise.
    #[must_use]
    pub fn options() -> SqliteOptions {
        SqliteOptions::default()
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.hub.path
    }
}

impl fmt::Debug for Sqlite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sqlite").field("path", &self.hub.path).finish_non_exhaustive()
    }
}

/// How to open a [`Sqlite`] file.
#[derive(Debug, Clone, Default)]
pub struct SqliteOptions {
    durability: Durability,
    compact: bool,
}

impl SqliteOptions {
    /// Does not wait for the disk at every commit. Commits are several times faster, a crash of the process loses nothing,
    /// but **a power cut or a crash of the system may lose the last commits**, although they were reported as done: an
    /// instance then goes on from an earlier turn and runs activities again that were complete. The file stays consistent.
    #[must_use]
    pub fn relaxed_durability(mut self) -> Self {
        self.durability = Durability::Relaxed;
        self
    }

    /// Gives room that is not used any more back to the file system before the file is used. It takes as long as copying what
    /// is left, and about as much room on the disk again meanwhile.
    ///
    /// It is worth it after an unusual peak. Otherwise room that a purge frees is soon used again.
    #[must_use]
    pub fn compact(mut self) -> Self {
        self.compact = true;
        self
    }

    /// Opens the file, or creates it.
    ///
    /// # Errors
    ///
    /// As [`Sqlite::open`].
    pub fn open(self, path: impl AsRef<Path>) -> Result<Sqlite, BackendError> {
        let asked = path.as_ref();
        let path: Arc<Path> = guard::resolve(asked).map_err(|failure| failure.of_file(asked))?.into();
        let open = || {
            let guard = Guard::acquire(&path)?;
            let conn = schema::open_writer(&path, self.durability)?;
            if self.compact {
                space::compact(&conn)?;
            }
            let snapshots = Arc::<Snapshots>::default();
            let writer = Threads::writer(conn, Arc::clone(&path), Arc::clone(&snapshots))?;
            let readers = (0..READERS).map(|_| schema::open_reader(&path)).collect::<error::Result<_>>()?;
            let readers = Threads::readers(readers, &path)?;
            let looks = (0..LOOKS).map(|_| schema::open_look(&path)).collect::<error::Result<_>>()?;
            let looks = Looks::new(looks, snapshots)?;
            Ok(Hub { looks, readers, writer, path: Arc::clone(&path), _guard: guard })
        };
        let hub = open().map_err(|failure: error::Failure| failure.of_file(asked))?;
        Ok(Sqlite { hub: Arc::new(hub) })
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        None
    }

    async fn attach(&self, name: &str, _lease: Duration) -> Result<Attached, BackendError> {
        let name = name.to_owned();
        let worker = self.hub.writer.call(move |conn| claim::attach(conn, &name)).await?;
        Ok(Attached { worker, now: None })
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        self.hub.writer.call(move |conn| claim::detach(conn, worker)).await
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let apply = move |conn: &Connection| {
            let conn = Statements::new(conn);
            batch.iter().map(|write| commit::apply(&conn, write)).collect()
        };
        self.hub.writer.call(apply).await
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        _runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        self.hub.readers.call(move |conn| query::ready(conn, worker, after, limit)).await
    }

    async fn timers(
        &self,
        _worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        self.hub.readers.call(move |conn| query::timers(conn, after, limit)).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        match self.hub.looks.look(|conn| query::history(conn, key, SHORT_HISTORY + 1)) {
            Some(rows) if rows.len() <= SHORT_HISTORY => Ok(rows),
            _ => self.hub.readers.call(move |conn| query::history(conn, key, usize::MAX)).await,
        }
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        self.hub.readers.call(move |conn| owned::owned(conn, worker, &keys)).await
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        if let Some(row) = self.hub.looks.look(|conn| query::instance(conn, id)) {
            return Ok(row);
        }
        let id = id.to_owned();
        self.hub.readers.call(move |conn| query::instance(conn, &id)).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        self.hub.readers.call(move |conn| list::list(conn, &filter)).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        self.hub.readers.call(move |conn| list::count(conn, &filter)).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        self.hub.readers.call(move |conn| claim::activities(conn, key)).await
    }
}
