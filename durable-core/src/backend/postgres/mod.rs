//! The backend for several processes: a PostgreSQL schema for each task hub.
//!
//! Any number of worker processes share a hub, on as many machines as there are. The tables are described in
//! `migrations/0001.sql` beside this module's source, and views such as `instances_readable` show their times as timestamps.
//!
//! A batch of writes is one transaction, and takes two round trips however many writes there are: the first locks and reads
//! the rows of all instances that the writes are about, in the order of their keys, so that nobody waits in a circle; the
//! second writes what has become of them, one statement for each table.

/// The statuses that end an instance, as a list for a statement.
macro_rules! finished {
    () => {
        "('Completed', 'Failed', 'Canceled', 'Terminated')"
    };
}

mod address;
mod claim;
mod commit;
mod connection;
mod create;
mod error;
mod expire;
mod hosts;
mod list;
mod message;
mod next;
mod notify;
mod pool;
mod purge;
mod query;
mod reach;
mod rewind;
mod runs;
mod schema;
mod time;
mod tls;
mod turn;
mod url;
mod workers;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use self::address::Address;
use self::connection::Purpose;
use self::error::{Failure, Result as Outcome};
use self::pool::{Pool, Pooled};
use super::{
    ActivityRow, Attached, Backend, BackendError, CountRow, Heartbeat, HistoryRow, InstanceFilter, InstanceKey,
    InstanceRow, Notice, Notices, Pulse, RunnableOrchestrators, SharedBackend, TimerRow, Unread, WorkerId, Write,
    Written,
};

/// Batches that can be written at the same time.
const WRITERS: usize = 2;

/// Queries that can run at the same time, of rows and of lists.
const READERS: usize = 3;
const LISTERS: usize = 2;

/// How long the server may take for an answer. A list may take several times that.
const PATIENCE: Duration = Duration::from_secs(30);
const PATIENCE_WITH_LISTS: u32 = 4;

/// A heartbeat is to fail before the lease ends, so that another one can come in time; but it is given some time at least.
const PATIENCE_WITH_PULSES: Duration = Duration::from_secs(5);

/// The tables may be large that a new version changes.
const PATIENCE_WITH_MIGRATIONS: Duration = Duration::from_secs(3600);

/// A task hub in a PostgreSQL database, version 13 or newer. Clones share its connections.
///
/// What [`commit`](Backend::commit) reports is durable as the server understands it. Transactions are made durable also
/// where the server's default is otherwise; see [`PostgresOptions::relaxed_durability`] for the other choice.
///
/// A process has ten connections at most, and makes them when it needs them. The user needs no special rights: to create the schema at the first start, or, when it is there, to create tables in it.
/// Between the program and the server there may be a proxy only if it gives each connection a session of its own.
///
/// ```no_run
/// use durable_core::backend::postgres::Postgres;
///
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Postgres::connect("postgres://app:secret@db.example.com/shop?sslmode=require").await?;
/// let other = Postgres::options().schema("billing").connect("postgres://app:secret@db.example.com/shop").await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Postgres {
    hub: Arc<Hub>,
}

struct Hub {
    address: Arc<Address>,
    writers: Pool,
    readers: Pool,
    listers: Pool,
    /// Heartbeats wait for nothing else.
    pulses: Pool,
    hints: Pool,
    patience: Duration,
    /// Set once the schema has the version of this program.
    opened: OnceCell<()>,
}

impl Postgres {
    /// Connects to a database and makes or migrates the tables in its schema `durable`.
    ///
    /// The URL is like that of other PostgreSQL clients: `postgres://user:password@host:5432/database`, with several hosts
    /// for fail-over if need be: one that takes writes is used, and another one when it does not any more. With
    /// `sslmode=require` the connection is encrypted and the server's certificate checked; by default it is when the server is
    /// on another machine and offers it, and `sslmode=disable` turns that off.
    ///
    /// # Errors
    ///
    /// The URL is none, the server cannot be reached or refuses, it is too old, the schema belongs to another program or to a
    /// newer version of this one. No error has the password in it.
    pub async fn connect(url: &str) -> Result<Self, BackendError> {
        Self::options().connect(url).await
    }

    /// How to connect otherwise.
    #[must_use]
    pub fn options() -> PostgresOptions {
        PostgresOptions::default()
    }

    /// The schema of the hub.
    #[must_use]
    pub fn schema(&self) -> &str {
        self.hub.address.schema()
    }
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Postgres").field("place", &self.hub.address.place()).finish_non_exhaustive()
    }
}

/// How to connect to a [`Postgres`] database.
#[derive(Debug, Clone, Default)]
pub struct PostgresOptions {
    schema: Option<String>,
    authorities: Option<String>,
    patience: Option<Duration>,
    relaxed: bool,
}

impl PostgresOptions {
    /// The schema that has the hub's tables; the default is `durable`. Each hub in a database has its own.
    #[must_use]
    pub fn schema(mut self, schema: impl Into<String>) -> Self {
        self.schema = Some(schema.into());
        self
    }

    /// Trusts servers whose certificate one of these authorities has signed, and no others; the default is those that the
    /// system trusts. The text has certificates in the PEM format.
    #[must_use]
    pub fn root_certificates(mut self, pem: impl Into<String>) -> Self {
        self.authorities = Some(pem.into());
        self
    }

    /// Gives a connection up when the server has not answered for so long; the default is 30 seconds. What was asked fails as if
    /// the connection were lost, and a worker asks again on another connection. Lists and counts may take four times as long.
    ///
    /// How long it may take to connect to one of several hosts is said by `connect_timeout` in the URL; the default is 10 seconds.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = Some(patience);
        self
    }

    /// Does not wait for the disk at every commit. Commits are several times faster, a crash of a worker loses nothing, but
    /// **a crash of the server may lose the last commits**, although they were reported as done: an instance then goes on
    /// from an earlier turn and runs activities again that were complete. The tables stay consistent.
    #[must_use]
    pub fn relaxed_durability(mut self) -> Self {
        self.relaxed = true;
        self
    }

    /// Connects to a database and makes or migrates the tables in the schema.
    ///
    /// # Errors
    ///
    /// As [`Postgres::connect`].
    pub async fn connect(self, url: &str) -> Result<Postgres, BackendError> {
        let store = self.connect_later(url)?;
        store.told(store.hub.open().await)?;
        Ok(store)
    }

    /// Connects when the store is used first, and again whenever the connection is lost.
    ///
    /// # Errors
    ///
    /// The URL is none, the schema cannot have this name, or the certificates are none.
    pub fn connect_later(self, url: &str) -> Result<Postgres, BackendError> {
        let schema = self.schema.as_deref().unwrap_or("durable");
        let address = Address::new(url, schema, self.authorities.as_deref(), self.relaxed);
        let address = Arc::new(address.map_err(|failure| failure.of_hub(schema))?);
        let patience = self.patience.unwrap_or(PATIENCE);
        let pool = |purpose, most| Pool::new(Arc::clone(&address), purpose, most, patience);
        let hub = Hub {
            writers: pool(Purpose::Rows, WRITERS),
            readers: pool(Purpose::Rows, READERS),
            listers: Pool::new(
                Arc::clone(&address),
                Purpose::Lists,
                LISTERS,
                patience.saturating_mul(PATIENCE_WITH_LISTS),
            ),
            pulses: pool(Purpose::Rows, 1),
            hints: pool(Purpose::Hints, 1),
            patience,
            opened: OnceCell::new(),
            address: Arc::clone(&address),
        };
        Ok(Postgres { hub: Arc::new(hub) })
    }
}

impl Hub {
    async fn open(&self) -> Outcome<()> {
        let open = || async {
            let connection = self.writers.get().await?;
            connection.begin();
            let schema = self.address.schema();
            if !connection.within(schema::is_present(&connection, schema)).await? {
                connection.within_limit(PATIENCE_WITH_MIGRATIONS, schema::bring_up(&connection, schema)).await?;
            }
            connection.end();
            Ok(())
        };
        self.opened.get_or_try_init(open).await.copied()
    }

    async fn connection<'a>(&self, pool: &'a Pool) -> Outcome<Pooled<'a>> {
        self.open().await?;
        // It has been open before.
        pool.get().await.map_err(Failure::for_now)
    }

    async fn reader(&self) -> Outcome<Pooled<'_>> {
        self.connection(&self.readers).await
    }
}

impl Postgres {
    /// What the outside is told of an outcome.
    fn told<T>(&self, outcome: Outcome<T>) -> Result<T, BackendError> {
        outcome.map_err(|failure| failure.of_hub(self.hub.address.place()))
    }
}

#[async_trait]
impl Backend for Postgres {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        Some(self)
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        let attached = async {
            let reader = self.hub.reader().await?;
            reader.within(workers::attach(&reader, name, lease)).await
        };
        self.told(attached.await)
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        let detached = async {
            let reader = self.hub.reader().await?;
            reader.within(workers::detach(&reader, worker)).await
        };
        self.told(detached.await)
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        let mut asked = writer::Asked::default();
        let committed = async {
            let writer = self.hub.connection(&self.hub.writers).await?;
            writer.within(writer::commit(&writer, &batch, &mut asked)).await
        };
        let committed = self.told(committed.await);
        committed.map_err(|error| if asked.0 { error } else { error.unapplied() })
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(workers::ready(&reader, worker, after, limit, &runs)).await
        };
        self.told(found.await)
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(workers::timers(&reader, worker, after, limit)).await
        };
        self.told(found.await)
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(query::history(&reader, key)).await
        };
        self.told(found.await)
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(query::instance(&reader, id)).await
        };
        self.told(found.await)
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        let found = async {
            let lister = self.hub.connection(&self.hub.listers).await?;
            lister.within(list::list(&lister, &filter)).await
        };
        self.told(found.await)
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        let found = async {
            let lister = self.hub.connection(&self.hub.listers).await?;
            lister.within(list::count(&lister, &filter)).await
        };
        self.told(found.await)
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(claim::activities(&reader, key)).await
        };
        self.told(found.await)
    }
}

#[async_trait]
impl SharedBackend for Postgres {
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError> {
        let limit = self.hub.patience.min(PATIENCE_WITH_PULSES.max(heartbeat.lease / 3 * 2));
        let beat = async {
            let pulse = self.hub.connection(&self.hub.pulses).await?;
            pulse.within_limit(limit, workers::heartbeat(&pulse, &heartbeat)).await
        };
        self.told(beat.await)
    }

    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(workers::unread(&reader, &after)).await
        };
        self.told(found.await)
    }

    async fn blocked(&self, batch: Arc<Vec<Write>>) -> Result<Vec<usize>, BackendError> {
        let found = async {
            let reader = self.hub.reader().await?;
            reader.within(writer::blocked(&reader, &batch)).await
        };
        self.told(found.await)
    }

    async fn notify(&self, notices: Vec<Notice>) {
        let sent = async {
            let hints = self.hub.connection(&self.hub.hints).await?;
            hints.within(notify::notify(&hints, self.schema(), &notices)).await
        };
        if let Err(error) = self.told(sent.await) {
            tracing::debug!(%error, "hints to other workers are lost");
        }
    }

    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError> {
        self.told(notify::listen(Arc::clone(&self.hub.address), worker).await)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::RuntimeStatus;

    #[test]
    fn statements_know_every_terminal_status() {
        for status in RuntimeStatus::ALL {
            assert_eq!(finished!().contains(&format!("'{status}'")), status.is_terminal(), "{status}");
        }
    }
}
