//! Where the hubs of a benchmark keep their instances.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;
use durable_core::backend::postgres::Postgres;
use durable_core::backend::sqlite::Sqlite;
use durable_core::prelude::*;
use durable_testing::PostgresServer;
use tempfile::TempDir;

use super::Outcome;
use super::acknowledged::Acknowledged;
use super::ceiling::{Bare, Ceiling};
use super::ceiling_postgres::{self, BarePostgres};
use super::counted::{Counted, Counts};

/// A kind of store, as `--backend` says it. Another kind gets a line here, one in [`FromStr`], one in [`Place::store`], and a
/// ceiling of its own, since that of SQLite says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// A new SQLite file for each row.
    Fresh,
    /// This SQLite file, row after row.
    File(PathBuf),
    /// Nothing is durable.
    Memory,
    /// A new schema for each row, in the database with this URL, or on a server that lives as long as the benchmark.
    Postgres(Option<String>),
}

impl FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "sqlite" => Ok(Self::Fresh),
            None if text == "memory" => Ok(Self::Memory),
            None if text == "postgres" => Ok(Self::Postgres(None)),
            Some(("postgres" | "postgresql", _)) => Ok(Self::Postgres(Some(text.to_owned()))),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("it is `sqlite`, `sqlite:PATH`, `postgres`, `postgres://...` or `memory`".to_owned()),
        }
    }
}

/// The directory in which a benchmark writes, and the kind of its stores.
#[derive(Debug)]
pub(super) struct Place {
    kind: StoreKind,
    dir: PathBuf,
    /// The database that has the schemas, where that is the kind.
    database: Option<Database>,
    acknowledged: Option<Acknowledged>,
}

/// A database, and the server that has it, unless it is somebody else's.
#[derive(Debug)]
struct Database {
    url: String,
    _own: Option<PostgresServer>,
}

impl Place {
    pub(super) fn new(kind: StoreKind, dir: Option<PathBuf>, acknowledged: Option<Acknowledged>) -> Outcome<Self> {
        let beside = |path: &Path| path.parent().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_owned);
        let dir = dir.unwrap_or_else(|| match &kind {
            StoreKind::File(path) => beside(path).unwrap_or_else(|| ".".into()),
            StoreKind::Fresh | StoreKind::Memory | StoreKind::Postgres(_) => std::env::temp_dir(),
        });
        let database = match &kind {
            StoreKind::Postgres(Some(url)) => Some(Database { url: url.clone(), _own: None }),
            StoreKind::Postgres(None) => {
                let server = PostgresServer::options().durable().below(&dir).start()?;
                Some(Database { url: server.url().to_owned(), _own: Some(server) })
            }
            _ => None,
        };
        Ok(Self { kind, dir, database, acknowledged })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What a process is told that has a part in the measurement.
    pub(super) fn to_args(&self) -> Vec<OsString> {
        self.acknowledged.iter().flat_map(Acknowledged::to_args).collect()
    }

    /// True when figures can be compared with a ceiling.
    pub(super) fn is_durable(&self) -> bool {
        self.kind != StoreKind::Memory
    }

    /// True when the store is a file, of which this process has the only hub. The budgets are made for those.
    pub(super) fn is_file(&self) -> bool {
        matches!(self.kind, StoreKind::Fresh | StoreKind::File(_))
    }

    /// What the place allows at most.
    pub(super) fn ceiling(&self) -> Outcome<Box<dyn Ceiling>> {
        Ok(match &self.database {
            Some(database) => Box::new(BarePostgres::open(&database.url)?),
            None => Box::new(Bare::open(&self.dir)?),
        })
    }

    /// A store for one row.
    pub(super) fn store(&self, counts: Arc<Counts>) -> Outcome<Store> {
        let (home, dir) = match &self.kind {
            StoreKind::Fresh => {
                let dir = tempfile::tempdir_in(&self.dir)?;
                (Home::File(dir.path().join("hub.db")), Some(dir))
            }
            StoreKind::File(path) => (Home::File(path.clone()), None),
            StoreKind::Memory => (Home::Memory(Arc::new(Memory::new())), None),
            StoreKind::Postgres(_) => {
                let database = self.database.as_ref().ok_or("there is no database")?;
                (Home::Schema(Schema::new(&database.url)), None)
            }
        };
        Ok(Store::new(home, counts, self.acknowledged.as_ref(), dir))
    }
}

/// The store of one row. A hub can be started on it again after the last one has ended.
pub(super) struct Store {
    home: Home,
    pub(super) counts: Arc<Counts>,
    acknowledged: Option<Acknowledged>,
    /// Goes with the store.
    _dir: Option<TempDir>,
}

enum Home {
    File(PathBuf),
    Memory(Arc<Memory>),
    Schema(Schema),
}

impl Store {
    fn new(home: Home, counts: Arc<Counts>, acknowledged: Option<&Acknowledged>, dir: Option<TempDir>) -> Self {
        let name = match &home {
            Home::File(file) => file.to_string_lossy().into_owned(),
            Home::Memory(_) => "memory".to_owned(),
            Home::Schema(schema) => schema.name.clone(),
        };
        Self { home, counts, acknowledged: acknowledged.map(|acknowledged| acknowledged.of(&name)), _dir: dir }
    }

    /// A store that another process has made, and removes.
    pub(super) fn of_another(url: String, schema: String, acknowledged: Option<&Acknowledged>) -> Self {
        let schema = Schema { url, name: schema, is_ours: false };
        Self::new(Home::Schema(schema), Counts::new(None), acknowledged, None)
    }

    /// The client of a hub on this store, for all that is measured.
    pub(super) fn client(&self, hub: &TaskHub) -> Client {
        self.acknowledged.as_ref().map_or_else(|| hub.client(), |acknowledged| acknowledged.client(hub))
    }

    /// What a process is told that has a hub on this store.
    pub(super) fn to_args(&self) -> Vec<OsString> {
        self.acknowledged.iter().flat_map(Acknowledged::to_args).collect()
    }

    pub(super) fn open(&self) -> Outcome<Counted> {
        let backend: Arc<dyn Backend> = match &self.home {
            Home::Memory(memory) => Arc::clone(memory) as _,
            Home::File(file) => Arc::new(Sqlite::open(file)?),
            Home::Schema(schema) => Arc::new(Postgres::options().schema(&schema.name).connect_later(&schema.url)?),
        };
        Ok(Counted::new(backend, Arc::clone(&self.counts), self.acknowledged.clone()))
    }

    /// The file, where there is one.
    pub(super) fn file(&self) -> Outcome<&Path> {
        match &self.home {
            Home::File(file) => Ok(file),
            _ => Err("the store is no file".into()),
        }
    }

    /// The URL and the schema, where several processes can share the store.
    pub(super) fn schema(&self) -> Outcome<(&str, &str)> {
        match &self.home {
            Home::Schema(Schema { url, name, .. }) => Ok((url, name)),
            _ => Err("worker processes share a store in PostgreSQL only".into()),
        }
    }
}

/// A schema that goes with the store, unless it is another process's.
struct Schema {
    url: String,
    name: String,
    is_ours: bool,
}

impl Schema {
    fn new(url: &str) -> Self {
        static LAST: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench_{}_{}", std::process::id(), LAST.fetch_add(1, Ordering::Relaxed));
        Self { url: url.to_owned(), name, is_ours: true }
    }
}

impl Drop for Schema {
    fn drop(&mut self) {
        if self.is_ours
            && let Err(error) = ceiling_postgres::drop_schema(&self.url, &self.name)
        {
            tracing::warn!(error, schema = self.name, "a schema of the benchmark is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_read_from_its_text() {
        assert_eq!("sqlite".parse(), Ok(StoreKind::Fresh));
        assert_eq!("sqlite:x/hub.db".parse(), Ok(StoreKind::File("x/hub.db".into())));
        assert_eq!("memory".parse(), Ok(StoreKind::Memory));
        assert_eq!("postgres".parse(), Ok(StoreKind::Postgres(None)));
        let url = "postgres://app@localhost/shop";
        assert_eq!(url.parse(), Ok(StoreKind::Postgres(Some(url.into()))));
        assert!("sqlite:".parse::<StoreKind>().is_err() && "tape".parse::<StoreKind>().is_err());
    }
}
