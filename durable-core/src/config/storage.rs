//! Opening the store that a configuration names.

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use super::HostConfig;
use crate::backend::memory::Memory;
use crate::backend::{Backend, BackendError};
use crate::model::write_chain;

/// A sort of store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum StorageType {
    /// In the memory of the process.
    Memory,
    /// A SQLite file.
    Sqlite,
    /// A PostgreSQL database.
    Postgres,
    /// A store of the Durable Functions extension, by its name there.
    Foreign(String),
}

impl StorageType {
    pub(super) fn from_name(name: &str) -> Self {
        match name {
            "memory" => Self::Memory,
            "sqlite" => Self::Sqlite,
            "postgres" => Self::Postgres,
            other => Self::Foreign(other.to_owned()),
        }
    }
}

impl fmt::Display for StorageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Foreign(name) => name,
        })
    }
}

/// Why the store of a configuration cannot be opened.
pub struct StorageError {
    kind: Kind,
}

enum Kind {
    NotConfigured,
    Unsupported(StorageType),
    UnsetVariable(String),
    #[cfg_attr(not(feature = "postgres"), expect(dead_code, reason = "only a database needs a URL"))]
    NoUrl,
    #[cfg_attr(not(any(feature = "sqlite", feature = "postgres")), expect(dead_code, reason = "memory always opens"))]
    Open(BackendError),
}

impl StorageError {
    /// True when the configuration names no store.
    #[must_use]
    pub fn is_not_configured(&self) -> bool {
        matches!(self.kind, Kind::NotConfigured)
    }

    /// The sort of store that this build does not have.
    #[must_use]
    pub fn unsupported(&self) -> Option<&StorageType> {
        match &self.kind {
            Kind::Unsupported(kind) => Some(kind),
            _ => None,
        }
    }

    /// The environment variable that `storageProvider.connectionName` names and that is not set.
    #[must_use]
    pub fn unset_variable(&self) -> Option<&str> {
        match &self.kind {
            Kind::UnsetVariable(variable) => Some(variable),
            _ => None,
        }
    }

    /// Why the store does not open, when everything else is in order.
    #[must_use]
    pub fn backend(&self) -> Option<&BackendError> {
        match &self.kind {
            Kind::Open(error) => Some(error),
            _ => None,
        }
    }

    /// The backend's own error, or else this one.
    pub(crate) fn into_backend(self) -> Result<BackendError, Self> {
        match self.kind {
            Kind::Open(error) => Ok(error),
            kind => Err(Self { kind }),
        }
    }
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::NotConfigured => f.write_str("the configuration names no store: set `storageProvider.type`"),
            Kind::Unsupported(kind @ (StorageType::Sqlite | StorageType::Postgres)) => {
                write!(f, "`storageProvider.type` is {kind}, but the feature `{kind}` of durable-core is off")
            }
            Kind::Unsupported(kind) => write!(
                f,
                "`storageProvider.type` is {kind}, which is not there: take memory, sqlite or postgres, or give a backend in \
                 code"
            ),
            Kind::NoUrl => f.write_str(
                "`storageProvider.type` is postgres: name the environment variable that has the URL of the database in \
                 `storageProvider.connectionName`",
            ),
            Kind::UnsetVariable(variable) => {
                write!(
                    f,
                    "`storageProvider.connectionName` names the environment variable {variable}, which is not set"
                )
            }
            Kind::Open(_) => f.write_str("the store that the configuration names does not open"),
        }
    }
}

impl fmt::Debug for StorageError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl Error for StorageError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.backend().map(|error| error as &(dyn Error + 'static))
    }
}

impl HostConfig {
    /// Opens the store that the configuration names. A hub does this at its start when no backend was given in code.
    ///
    /// A SQLite file is the one that the variable of `storageProvider.connectionName` names, as a path with or without
    /// `sqlite:` in front; without that setting it is the hub's name with `.db`, in the current directory.
    ///
    /// A PostgreSQL database is the one whose URL that variable has, and the hub's name in lower case is that of its schema
    /// there. The connection is made when the hub starts.
    ///
    /// ```
    /// use durable_core::config::HostConfig;
    ///
    /// let config = HostConfig::builder().vars([("DURABLE__storageProvider__type", "memory")]).load()?;
    /// let backend = config.backend()?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`StorageError`]: no store is named, this build does not have it, the variable is not set, or the store does not open.
    pub fn backend(&self) -> Result<Arc<dyn Backend>, StorageError> {
        let fail = |kind| Err(StorageError { kind });
        match self.storage_type() {
            None => fail(Kind::NotConfigured),
            Some(StorageType::Memory) => Ok(Arc::new(Memory::new())),
            Some(StorageType::Sqlite) => match self.connection() {
                Some(Err(variable)) => fail(Kind::UnsetVariable(variable.to_owned())),
                Some(Ok(connection)) => open_file(connection),
                None => open_file(&format!("{}.db", self.hub_name())),
            },
            Some(StorageType::Postgres) => match self.connection() {
                Some(Err(variable)) => fail(Kind::UnsetVariable(variable.to_owned())),
                connection => open_database(connection.and_then(Result::ok), self.hub_name().as_str()),
            },
            Some(other) => fail(Kind::Unsupported(other)),
        }
    }
}

#[cfg(not(feature = "postgres"))]
fn open_database(_url: Option<&str>, _hub: &str) -> Result<Arc<dyn Backend>, StorageError> {
    Err(StorageError { kind: Kind::Unsupported(StorageType::Postgres) })
}

#[cfg(feature = "postgres")]
fn open_database(url: Option<&str>, hub: &str) -> Result<Arc<dyn Backend>, StorageError> {
    let Some(url) = url else { return Err(StorageError { kind: Kind::NoUrl }) };
    let options = crate::backend::postgres::Postgres::options().schema(hub.to_ascii_lowercase());
    match options.connect_later(url) {
        Ok(postgres) => Ok(Arc::new(postgres)),
        Err(error) => Err(StorageError { kind: Kind::Open(error) }),
    }
}

#[cfg(not(feature = "sqlite"))]
fn open_file(_connection: &str) -> Result<Arc<dyn Backend>, StorageError> {
    Err(StorageError { kind: Kind::Unsupported(StorageType::Sqlite) })
}

#[cfg(feature = "sqlite")]
fn open_file(connection: &str) -> Result<Arc<dyn Backend>, StorageError> {
    let path = connection.strip_prefix("sqlite:").unwrap_or(connection);
    let path = path.strip_prefix("//").unwrap_or(path);
    match crate::backend::sqlite::Sqlite::open(path) {
        Ok(sqlite) => Ok(Arc::new(sqlite)),
        Err(error) => Err(StorageError { kind: Kind::Open(error) }),
    }
}
