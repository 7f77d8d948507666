//! What the SQLite backend promises about its file and about processes.
#![cfg(feature = "sqlite")]

use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::sqlite::Sqlite;
use durable_core::backend::{
    Backend, BackendError, BackendErrorKind, CallId, CreateInstance, InstanceFilter, InstanceKey, MessageTarget,
    NewActivity, NewEvent, NewMessage, NewTimer, Started, TurnCommit, WorkerId, Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, RuntimeStatus, TaskId, Timestamp};
use rusqlite::Connection;
use tempfile::TempDir;

/// Names the file that the test binary shall hold open when it runs as a child of itself.
const HELD: &str = "DURABLE_TEST_HELD_FILE";

fn hub() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("a directory can be made");
    let path = dir.path().join("hub.db");
    (dir, path)
}

fn failure(path: impl AsRef<Path>) -> BackendError {
    Sqlite::open(path).expect_err("the file cannot be opened")
}

fn create(id: &str) -> Write {
    Write::Create(CreateInstance {
        id: id.to_owned(),
        execution: "e".to_owned(),
        name: "Greet".to_owned(),
        version: None,
        input: Payload::from_stored("[1]"),
        tags: [("team".to_owned(), "blue".to_owned())].into(),
        origin: None,
        parent: None,
        parent_call: None,
        start_at: None,
        now: Timestamp::from_ticks(17_145_648_001_234_567),
        owner: None,
        replace: Vec::new(),
    })
}

fn event() -> StoredEvent {
    let payload = Some(Payload::from_stored(r#"{"a":  1}"#));
    StoredEvent { kind: "EventRaised".into(), task_id: None, name: Some("Go".into()), payload, detail: None }
}

/// A turn with a row in every table.
fn turn(key: InstanceKey) -> Write {
    let now = Timestamp::from_ticks(17_145_648_007_654_321);
    let call = NewActivity {
        call: CallId::new(0, TaskId(1)),
        name: "Say".to_owned(),
        input: Payload::null(),
        options: None,
        runner: Some(WorkerId(1)),
        claim: 7,
    };
    Write::Turn(Box::new(TurnCommit {
        key,
        execution: "e".to_owned(),
        epoch: 1,
        turn: 1,
        turn_time: now,
        status: RuntimeStatus::Running,
        custom_status: None,
        output: None,
        reason: None,
        first_seq: 1,
        history: vec![NewEvent { time: now, event: event() }],
        inbox_through: 0,
        activities_gone: Vec::new(),
        results: Vec::new(),
        timers_gone: Vec::new(),
        new_activities: vec![call],
        new_timers: vec![NewTimer { call: CallId::new(3, TaskId(2)), fire_at: now }],
        drop_activities: false,
        children: Vec::new(),
        messages: Vec::new(),
        next: None,
    }))
}

async fn start(store: &Sqlite, id: &str) -> InstanceKey {
    match store.commit(Arc::new(vec![create(id)])).await.expect("it can be committed").remove(0) {
        Written::Created(Started { key, .. }) => key,
        other => panic!("a creation was answered by {other:?}"),
    }
}

/// A process that holds the file open until its standard input ends, or until it is killed, and what else it prints.
fn holder(path: &Path) -> (Child, impl Iterator<Item = std::io::Result<String>>) {
    let mut child = Command::new(std::env::current_exe().expect("this program has a file"))
        .args(["--exact", "a_child_holds_the_file", "--nocapture"])
        .env(HELD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("this program can be started");
    let mut lines = BufReader::new(child.stdout.take().expect("its output is a pipe")).lines();
    assert!(lines.any(|line| line.expect("it is text").ends_with("held")), "the child does not hold the file");
    (child, lines)
}

/// The part of the child in [`holder`]; as a test of its own it does nothing.
#[tokio::test]
async fn a_child_holds_the_file() {
    let Some(path) = std::env::var_os(HELD) else { return };
    let store = Sqlite::open(path).unwrap();
    start(&store, "from the child").await;
    println!("\nheld");
    std::io::stdout().flush().unwrap();
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

#[test]
fn a_file_is_opened_once_in_a_process() {
    let (dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    std::fs::create_dir(dir.path().join("sub")).unwrap();
    let mut spellings = vec![path.clone(), dir.path().join("sub/../hub.db"), dir.path().join("./hub.db")];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&path, dir.path().join("link.db")).unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("linked")).unwrap();
        spellings.extend([dir.path().join("link.db"), dir.path().join("linked/hub.db")]);
    }
    for spelling in spellings {
        let error = failure(&spelling);
        assert!(error.is_in_use(), "{error}");
        assert!(error.to_string().contains("already open in this process"), "{error}");
    }
    let clone = store.clone();
    drop(store);
    assert!(failure(&path).is_in_use());
    drop(clone);
    Sqlite::open(&path).unwrap();
}

#[test]
fn two_spellings_of_a_new_file_are_one() {
    let (dir, path) = hub();
    let _store = Sqlite::open(dir.path().join(".").join("hub.db")).unwrap();
    assert!(failure(&path).is_in_use());
}

#[test]
fn another_process_is_named() {
    let (_dir, path) = hub();
    let (mut child, _output) = holder(&path);
    let error = failure(&path);
    assert!(error.is_in_use(), "{error}");
    assert!(error.to_string().contains(&format!("in use by process {}", child.id())), "{error}");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    Sqlite::open(&path).unwrap();
}

#[tokio::test]
async fn a_killed_process_leaves_everything_and_no_lock() {
    let (_dir, path) = hub();
    let (mut child, _output) = holder(&path);
    child.kill().unwrap();
    child.wait().unwrap();
    let store = Sqlite::open(&path).unwrap();
    assert!(store.instance("from the child").await.unwrap().is_some());
}

#[tokio::test]
async fn everything_is_there_after_a_reopening() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let worker = store.attach("first", Duration::ZERO).await.unwrap().worker;
    let key = start(&store, "a").await;
    let message = NewMessage {
        to: MessageTarget::Id("a".to_owned()),
        time: Timestamp::UNIX_EPOCH,
        event: event(),
        completes: None,
    };
    store.commit(Arc::new(vec![turn(key), Write::Message(message)])).await.unwrap();
    let (row, history) = (store.instance("a").await.unwrap(), store.history(key).await.unwrap());
    let timers = store.timers(worker, None, 9).await.unwrap();
    drop(store);

    let store = Sqlite::open(&path).unwrap();
    assert_eq!(store.instance("a").await.unwrap(), row);
    assert_eq!(store.history(key).await.unwrap(), history);
    assert_eq!(store.timers(worker, None, 9).await.unwrap(), timers);
    let next = store.attach("second", Duration::ZERO).await.unwrap().worker;
    assert!(next > worker);
    assert_eq!(store.ready(next, InstanceKey(0), 9, None).await.unwrap(), [key]);
    let claim = Write::ClaimActivities { worker: next, first_claim: 9, limit: 9, runs: None };
    let Written::Activities(calls) = store.commit(Arc::new(vec![claim])).await.unwrap().remove(0) else { panic!() };
    assert_eq!((calls.len(), calls[0].deliveries), (1, 2));
    assert!(start(&store, "b").await > key);
}

#[tokio::test]
async fn keys_are_not_used_again_after_a_reopening() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let key = start(&store, "a").await;
    drop(store);
    Connection::open(&path).unwrap().execute_batch("DELETE FROM instances; DELETE FROM headers").unwrap();
    let store = Sqlite::open(&path).unwrap();
    assert!(start(&store, "b").await > key);
}

#[test]
fn a_foreign_database_is_refused_untouched() {
    for statements in
        ["CREATE TABLE t (x)", "PRAGMA journal_mode = wal; CREATE TABLE t (x)", "PRAGMA application_id = 7"]
    {
        let (dir, path) = hub();
        Connection::open(&path).unwrap().execute_batch(statements).unwrap();
        let before = std::fs::read(&path).unwrap();
        let error = failure(&path);
        assert!(error.is_foreign(), "{statements}: {error}");
        assert!(error.to_string().contains(&path.display().to_string()), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
        let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
        files.sort();
        assert_eq!(files, ["hub.db", "hub.db.lock"], "{statements}");
    }
}

#[test]
fn a_newer_version_is_refused() {
    let (_dir, path) = hub();
    drop(Sqlite::open(&path).unwrap());
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = failure(&path);
    assert!(error.is_foreign(), "{error}");
    assert!(error.to_string().contains("has version 99"), "{error}");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1").unwrap();
    Sqlite::open(&path).unwrap();
}

#[test]
fn what_is_no_database_is_refused_untouched() {
    for garbage in [&b"hello"[..], &[b'x'; 5_000], &[0; 5_000], b"SQLite format 3\0 and then nothing"] {
        let (_dir, path) = hub();
        std::fs::write(&path, garbage).unwrap();
        let error = failure(&path);
        assert!(error.is_corrupt(), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), garbage);
    }
}

#[test]
fn an_empty_file_becomes_a_task_hub() {
    let (_dir, path) = hub();
    std::fs::write(&path, b"").unwrap();
    drop(Sqlite::open(&path).unwrap());
    Sqlite::open(&path).unwrap();
}

#[test]
fn a_path_that_cannot_be_a_file_is_refused() {
    let (dir, path) = hub();
    let error = failure(dir.path());
    assert_eq!(error.kind(), BackendErrorKind::Other);
    assert!(error.to_string().contains("it is a directory"), "{error}");

    let error = failure(dir.path().join("missing/hub.db"));
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.to_string().contains("missing cannot be reached; create it first"), "{error}");

    std::fs::write(&path, b"").unwrap();
    let error = failure(path.join("hub.db"));
    assert_eq!(error.kind(), BackendErrorKind::Other);
    assert_eq!(failure("/").kind(), BackendErrorKind::Other);
    assert_eq!(failure("").kind(), BackendErrorKind::Other);
}

#[cfg(unix)]
#[test]
fn a_link_to_nothing_is_refused() {
    let (dir, path) = hub();
    std::os::unix::fs::symlink(dir.path().join("nothing"), &path).unwrap();
    assert!(failure(&path).to_string().contains("a symbolic link"));
}

#[tokio::test]
async fn odd_rows_are_reported_with_their_instance() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    for (id, damage) in
        [("a", "status = 'Dreaming'"), ("b", "epoch = 'x'"), ("c", "turn = -1"), ("d", "status = x'ff'")]
    {
        start(&store, id).await;
        let shell = Connection::open(&path).unwrap();
        shell.execute_batch(&format!("UPDATE instances SET {damage} WHERE id = '{id}'")).unwrap();
        let error = store.instance(id).await.unwrap_err();
        assert!(error.is_corrupt(), "{error}");
        assert!(error.to_string().contains(&format!("the instance '{id}'")), "{error}");
        let everything = InstanceFilter { limit: 9, ..InstanceFilter::default() };
        assert!(store.list(everything).await.unwrap_err().is_corrupt());
    }
    let shell = Connection::open(&path).unwrap();
    start(&store, "e").await;
    shell.execute_batch("DELETE FROM headers").unwrap();
    assert!(store.instance("e").await.unwrap_err().is_corrupt());
}

#[tokio::test]
async fn one_bad_write_fails_alone() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let shell = Connection::open(&path).unwrap();
    let trigger =
        "CREATE TRIGGER t BEFORE INSERT ON instances WHEN new.id = 'bad' BEGIN SELECT raise(ABORT, 'no'); END";
    shell.execute_batch(trigger).unwrap();
    // While the shell holds the lock, the calls pile up behind the first, and then share a transaction.
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut calls = Vec::new();
    for n in 0..40 {
        let store = store.clone();
        let id = if n == 20 { "bad".to_owned() } else { n.to_string() };
        calls.push(tokio::spawn(async move {
            store.commit(Arc::new(vec![create(&format!("{id} first")), create(&id)])).await
        }));
    }
    tokio::task::yield_now().await;
    shell.execute_batch("COMMIT").unwrap();
    for (n, call) in calls.into_iter().enumerate() {
        let end = call.await.unwrap();
        assert_eq!(end.is_ok(), n != 20, "{n}: {end:?}");
    }
    assert!(store.instance("bad first").await.unwrap().is_none());
    let everything = InstanceFilter { limit: 100, ..InstanceFilter::default() };
    assert_eq!(store.list(everything).await.unwrap().len(), 78);
}

#[tokio::test]
async fn a_shell_can_read_along() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    store.attach("worker 1", Duration::ZERO).await.unwrap();
    let key = start(&store, "a").await;
    store.commit(Arc::new(vec![turn(key)])).await.unwrap();
    let shell = Connection::open(&path).unwrap();
    let text = |sql: &str| shell.query_row(sql, [], |row| row.get::<_, String>(0)).unwrap();
    assert_eq!(text("PRAGMA journal_mode"), "wal");
    assert_eq!(text("SELECT created || ' ' || input FROM instances_readable"), "2024-05-01T12:00:00.1234567Z [1]");
    assert_eq!(
        text("SELECT id || ' ' || kind || ' ' || time FROM history_readable"),
        "a EventRaised 2024-05-01T12:00:00.7654321Z"
    );
    assert_eq!(text("SELECT task_id || ' ' || fire_at FROM timers_readable"), "2 2024-05-01T12:00:00.7654321Z");
    assert_eq!(text("SELECT runner || ' ' || name || ' ' || task_id FROM activities_readable"), "worker 1 Say 1");
    assert_eq!(text("SELECT count(*) || '' FROM inbox_readable"), "0");
    assert_eq!(text("PRAGMA integrity_check"), "ok");
    store.commit(Arc::new(vec![create("b")])).await.unwrap();
    assert_eq!(text("SELECT count(*) || '' FROM instances"), "2");
}

#[tokio::test]
async fn what_is_over_leaves_no_rows_behind() {
    let (_dir, path) = hub();
    let store = Sqlite::open(&path).unwrap();
    let message = || {
        let to = MessageTarget::Id("a".to_owned());
        Write::Message(NewMessage { to, time: Timestamp::UNIX_EPOCH, event: event(), completes: None })
    };
    let key = start(&store, "a").await;
    store.commit(Arc::new(vec![turn(key), message()])).await.unwrap();
    let mut again = create("a");
    if let Write::Create(create) = &mut again {
        create.execution = "f".to_owned();
        create.replace = vec![RuntimeStatus::Running];
    }
    store.commit(Arc::new(vec![again])).await.unwrap();
    let shell = Connection::open(&path).unwrap();
    let rows = |table: &str, key: InstanceKey| {
        let sql = format!("SELECT count(*) FROM {table} WHERE key = ?1");
        shell.query_row(&sql, [key.0], |row| row.get::<_, i64>(0)).unwrap()
    };
    for table in ["instances", "headers", "tags", "history", "inbox", "activities", "timers"] {
        assert_eq!(rows(table, key), 0, "{table}");
    }
    let key = start(&store, "b").await;
    let mut last = turn(key);
    if let Write::Turn(turn) = &mut last {
        turn.turn = 2;
        turn.first_seq = 2;
        turn.status = RuntimeStatus::Failed;
        turn.new_activities.clear();
        turn.new_timers.clear();
    }
    store.commit(Arc::new(vec![turn(key), last])).await.unwrap();
    for (table, left) in [("history", 2), ("activities", 1), ("timers", 0), ("inbox", 0)] {
        assert_eq!(rows(table, key), left, "{table}");
    }
}

#[test]
fn closing_leaves_one_tidy_file() {
    let (dir, path) = hub();
    drop(Sqlite::options().relaxed_durability().open(&path).unwrap());
    let mut files: Vec<_> = std::fs::read_dir(&dir).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, ["hub.db", "hub.db.lock"]);
}
