//! The SQLite backend passes the conformance suite. What it promises about files and processes is in
//! `backend_sqlite_file.rs`.
#![cfg(feature = "sqlite")]

use std::sync::Arc;

use durable_core::backend::Backend;
use durable_core::backend::sqlite::Sqlite;

durable_testing::conformance_tests!(async || {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let store: Arc<dyn Backend> = Arc::new(Sqlite::open(dir.path().join("hub.db")).expect("a file can be made"));
    (store, dir)
});
