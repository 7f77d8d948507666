//! How much the SQLite backend writes, and how large its file becomes.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use durable_core::backend::sqlite::Sqlite;
use durable_core::backend::{
    Backend, CreateInstance, InstanceKey, MessageTarget, NewEvent, NewMessage, Started, TurnCommit, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, Timestamp};
use tempfile::TempDir;

fn hub() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("hub.db");
    (dir, path)
}

fn at(second: u64) -> Timestamp {
    Timestamp::from_ticks(17_145_648_000_000_000 + 10_000_000 * i64::try_from(second).unwrap())
}

fn text(bytes: usize) -> Payload {
    Payload::from_stored(&format!("\"{}\"", "x".repeat(bytes)))
}

fn create(id: &str) -> CreateInstance {
    CreateInstance {
        id: id.to_owned(),
        execution: "e".to_owned(),
        name: "Greet".to_owned(),
        version: None,
        input: Payload::null(),
        tags: [].into(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: at(0),
        owner: None,
        replace: Vec::new(),
    }
}

fn event() -> StoredEvent {
    StoredEvent { kind: "EventRaised".into(), task_id: None, name: Some("Go".into()), payload: None, detail: None }
}

/// The turn with this number, which records one event.
fn turn(key: InstanceKey, turn: u64) -> TurnCommit {
    TurnCommit {
        key,
        execution: "e".to_owned(),
        epoch: 1,
        turn,
        turn_time: at(turn),
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: turn,
        history: vec![NewEvent { time: at(turn), event: event() }],
        inbox_through: turn,
        activities_gone: Vec::new(),
        timers_gone: Vec::new(),
        new_activities: Vec::new(),
        new_timers: Vec::new(),
        drop_activities: false,
        children: Vec::new(),
        messages: Vec::new(),
        next: None,
    }
}

async fn commit(store: &Sqlite, write: Write) -> Written {
    store.commit(Arc::new(vec![write])).await.unwrap().remove(0)
}

async fn start(store: &Sqlite, create: CreateInstance) -> InstanceKey {
    match commit(store, Write::Create(create)).await {
        Written::Created(Started { key, .. }) => key,
        other => panic!("a creation was answered by {other:?}"),
    }
}

fn log_bytes(path: &Path) -> u64 {
    std::fs::metadata(path.with_extension("db-wal")).map_or(0, |file| file.len())
}

/// What is large stands apart from the row that each turn and each message rewrites.
#[tokio::test]
async fn a_large_custom_status_is_written_once() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let key = start(&store, create("a")).await;
    let first = TurnCommit { custom_status: Some(text(500_000)), ..turn(key, 1) };
    assert_eq!(commit(&store, Write::Turn(Box::new(first))).await, Written::Done);
    // Beyond 127 and 255, where numbers take more room, so that rows cannot be overwritten in place.
    let mut most = 0;
    for n in 2..=301 {
        let before = log_bytes(&path);
        let to = MessageTarget::Id("a".to_owned());
        commit(&store, Write::Message(NewMessage { to, time: at(n), event: event(), completes: None })).await;
        assert_eq!(commit(&store, Write::Turn(Box::new(turn(key, n)))).await, Written::Done);
        most = most.max(log_bytes(&path) - before);
    }
    assert!(most < 60_000, "a turn wrote {most} bytes");
    assert_eq!(store.instance("a").await.unwrap().unwrap().custom_status, Some(text(500_000)));
}
