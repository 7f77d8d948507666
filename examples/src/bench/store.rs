//! Where the hubs of a benchmark keep their instances.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;
use durable_core::backend::sqlite::Sqlite;
use tempfile::TempDir;

use super::Outcome;
use super::counted::{Counted, Counts};

/// A kind of store, as `--backend` says it. Another kind, such as `postgres://...`, gets a line here, one in [`FromStr`], one
/// in [`Place::store`], and a ceiling of its own, since that of SQLite says nothing about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum StoreKind {
    /// A new SQLite file for each row.
    Fresh,
    /// This SQLite file, row after row.
    File(PathBuf),
    /// Nothing is durable.
    Memory,
}

impl FromStr for StoreKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "sqlite" => Ok(Self::Fresh),
            None if text == "memory" => Ok(Self::Memory),
            Some(("sqlite", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err("it is `sqlite`, `sqlite:PATH` or `memory`".to_owned()),
        }
    }
}

/// The directory in which a benchmark writes, and the kind of its stores.
#[derive(Debug)]
pub(super) struct Place {
    kind: StoreKind,
    dir: PathBuf,
}

impl Place {
    pub(super) fn new(kind: StoreKind, dir: Option<PathBuf>) -> Self {
        let beside = |path: &Path| path.parent().filter(|dir| !dir.as_os_str().is_empty()).map(Path::to_owned);
        let dir = dir.unwrap_or_else(|| match &kind {
            StoreKind::File(path) => beside(path).unwrap_or_else(|| ".".into()),
            StoreKind::Fresh | StoreKind::Memory => std::env::temp_dir(),
        });
        Self { kind, dir }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    /// True when the budgets hold here: they compare with a disk.
    pub(super) fn is_durable(&self) -> bool {
        self.kind != StoreKind::Memory
    }

    /// A store for one row.
    pub(super) fn store(&self, counts: Arc<Counts>) -> Outcome<Store> {
        let (file, memory, dir) = match &self.kind {
            StoreKind::Fresh => {
                let dir = tempfile::tempdir_in(&self.dir)?;
                (dir.path().join("hub.db"), None, Some(dir))
            }
            StoreKind::File(path) => (path.clone(), None, None),
            StoreKind::Memory => (PathBuf::new(), Some(Arc::new(Memory::new())), None),
        };
        Ok(Store { file, memory, counts, _dir: dir })
    }
}

/// The store of one row. A hub can be started on it again after the last one has ended.
pub(super) struct Store {
    file: PathBuf,
    memory: Option<Arc<Memory>>,
    pub(super) counts: Arc<Counts>,
    /// Goes with the store.
    _dir: Option<TempDir>,
}

impl Store {
    pub(super) fn open(&self) -> Outcome<Counted> {
        let backend: Arc<dyn Backend> = match &self.memory {
            Some(memory) => Arc::clone(memory) as _,
            None => Arc::new(Sqlite::open(&self.file)?),
        };
        Ok(Counted::new(backend, Arc::clone(&self.counts)))
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
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
        assert!("sqlite:".parse::<StoreKind>().is_err() && "tape".parse::<StoreKind>().is_err());
    }
}
