//! What those who read a SQLite task hub see, and that they are in nobody's way.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use durable_core::backend::sqlite::Sqlite;
use durable_core::backend::{Backend, CreateInstance, InstanceKey, Started, Write, Written};
use durable_core::model::{Payload, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

/// So many reads one after the other that one snapshot is kept for the next ones.
const MANY_READS: usize = 100;

fn hub() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    (dir, path)
}

async fn create(store: &Sqlite, id: u64, bytes: usize) -> InstanceKey {
    let create = CreateInstance {
        id: id.to_string(),
        execution: "e".to_owned(),
        name: "Greet".to_owned(),
        version: None,
        input: Payload::from_stored(&format!("\"{}\"", "x".repeat(bytes))),
        tags: [].into(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: Timestamp::UNIX_EPOCH,
        owner: None,
        replace: Vec::new(),
    };
    match store.commit(Arc::new(vec![Write::Create(create)])).await.unwrap().remove(0) {
        Written::Created(Started { key, .. }) => key,
        other => panic!("a creation was answered by {other:?}"),
    }
}

async fn exists(store: &Sqlite, id: u64) -> bool {
    store.instance(&id.to_string()).await.unwrap().is_some()
}

async fn read_often(store: &Sqlite, id: u64) {
    for _ in 0..MANY_READS {
        assert!(exists(store, id).await);
    }
}

fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |file| file.len())
}

/// Whatever was reported as written before a read began is seen by it.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn hundreds_of_readers_see_what_was_written() {
    const LAST: u64 = 400;
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    create(&store, 0, 10).await;
    let written = Arc::new(AtomicU64::new(0));
    let readers: Vec<_> = (0..300)
        .map(|_| {
            let (store, written) = (store.clone(), Arc::clone(&written));
            tokio::spawn(async move {
                loop {
                    let id = written.load(Ordering::SeqCst);
                    assert!(exists(&store, id).await, "{id} was written and is not there");
                    if id == LAST {
                        return;
                    }
                    tokio::task::yield_now().await;
                }
            })
        })
        .collect();
    for id in 1..=LAST {
        // Time for snapshots to be kept, or not.
        for _ in 0..id % 40 {
            assert!(exists(&store, id - 1).await);
        }
        create(&store, id, 10).await;
        assert!(exists(&store, id).await, "who wrote {id} does not see it");
        written.store(id, Ordering::SeqCst);
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

/// A snapshot that is kept for readers who do not come again does not keep the log from starting over.
#[tokio::test]
async fn readers_who_stop_do_not_let_the_log_grow() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    for id in 0..150 {
        create(&store, id, 500_000).await;
        read_often(&store, id).await;
    }
    // It starts over from 16 MB on.
    assert!(log_bytes(&path) < 30_000_000, "the log has {} bytes", log_bytes(&path));
}

/// Nor does it stand in the way of a purge, of a shell that changes something, or of the end.
#[tokio::test]
async fn a_kept_snapshot_holds_up_nobody() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let key = create(&store, 1, 10).await;
    create(&store, 2, 10).await;
    read_often(&store, 1).await;
    let purge = Write::Purge { keys: vec![key], force: true };
    store.commit(Arc::new(vec![purge])).await.unwrap();
    assert!(!exists(&store, 1).await, "what was purged is still there");

    read_often(&store, 2).await;
    let shell = Connection::open(&path).unwrap();
    shell.execute("UPDATE instances SET id = 'renamed' WHERE id = '2'", []).unwrap();
    while store.instance("renamed").await.unwrap().is_none() {
        // It is not told of this, and need not see it at once.
        tokio::task::yield_now().await;
    }
    assert!(!exists(&store, 2).await);
    drop(shell);

    create(&store, 3, 10).await;
    read_often(&store, 3).await;
    drop(store);
    assert!(!path.with_extension("db-wal").exists(), "the log is left behind");
    let store = Sqlite::options().compact().open(&path).unwrap();
    read_often(&store, 3).await;
}
