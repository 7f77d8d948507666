//! How much the SQLite backend writes, and how large its file becomes.
#![cfg(feature = "sqlite")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use durable_core::backend::{
    Backend, CreateInstance, InstanceFilter, InstanceKey, MessageTarget, NewEvent, NewMessage, Started, TurnCommit,
    Write, Written,
};
use durable_core::history::StoredEvent;
use durable_core::model::{Payload, Retention};
use durable_core::prelude::*;
use durable_testing::VirtualClock;
use rusqlite::Connection;
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
        results: Vec::new(),
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

/// A connection that somebody else has to the file.
fn shell(path: &Path) -> Connection {
    Connection::open(path).unwrap()
}

fn number(shell: &Connection, sql: &str) -> u64 {
    shell.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
}

/// Creates instances that take this many bytes each.
async fn fill(store: &Sqlite, ids: std::ops::Range<u64>, bytes: usize) {
    for id in ids {
        start(store, CreateInstance { input: text(bytes), ..create(&id.to_string()) }).await;
    }
}

/// Queries of a few milliseconds each, of which the next has always begun before the last one ends. One that begins before a
/// commit ends after it, so that SQLite never finds a log that nobody reads.
fn overlapping_queries(path: &Path, committed: Receiver<()>) -> JoinHandle<()> {
    let shells = [shell(path), shell(path)];
    let begin = |shell: &Connection| {
        shell.execute_batch("BEGIN").unwrap();
        number(shell, "SELECT count(*) FROM workers");
    };
    begin(&shells[0]);
    std::thread::spawn(move || {
        for n in 1.. {
            begin(&shells[n % 2]);
            if committed.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            shells[(n + 1) % 2].execute_batch("COMMIT").unwrap();
        }
    })
}

/// SQLite alone would wait for a moment in which nobody reads.
#[tokio::test]
async fn queries_that_overlap_do_not_let_the_log_grow() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    let (committed, of_commit) = channel();
    let queries = overlapping_queries(&path, of_commit);
    for n in 0..350 {
        fill(&store, n..n + 1, 1_000_000).await;
        committed.send(()).unwrap();
    }
    let size = log_bytes(&path);
    drop(committed);
    queries.join().unwrap();
    assert!(size < 220_000_000, "the log has {size} bytes");
}

/// While a shell holds an old state of the file the log must grow. Afterwards it shrinks.
#[tokio::test]
async fn the_log_shrinks_when_a_long_reader_is_gone() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    let shell = shell(&path);
    shell.execute_batch("BEGIN").unwrap();
    number(&shell, "SELECT count(*) FROM instances");
    fill(&store, 0..500, 200_000).await;
    assert!(log_bytes(&path) > 100_000_000);
    shell.execute_batch("COMMIT").unwrap();
    fill(&store, 500..504, 200_000).await;
    assert!(log_bytes(&path) <= 64 << 20, "the log has {} bytes", log_bytes(&path));
}

/// What is removed makes room for what comes next, and the file shrinks when it is asked to.
#[tokio::test]
async fn a_file_shrinks_when_it_is_compacted() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    fill(&store, 0..100, 200_000).await;
    let pages = number(&shell(&path), "PRAGMA page_count");
    let all = store.list(InstanceFilter { limit: 1_000, ..InstanceFilter::default() }).await.unwrap();
    let keys = all.iter().skip(1).map(|row| row.key).collect();
    commit(&store, Write::Purge { keys, force: true }).await;
    fill(&store, 200..299, 200_000).await;
    assert_eq!(number(&shell(&path), "PRAGMA page_count"), pages);
    let kept = store.instance("298").await.unwrap();
    let all = store.list(InstanceFilter { limit: 1_000, ..InstanceFilter::default() }).await.unwrap();
    let keys = all.iter().filter(|row| row.id != "298").map(|row| row.key).collect();
    commit(&store, Write::Purge { keys, force: true }).await;
    drop(store);
    let before = std::fs::metadata(&path).unwrap().len();
    assert!(before > 20_000_000);
    let store = Sqlite::options().compact().open(&path).unwrap();
    let after = std::fs::metadata(&path).unwrap().len();
    assert!(after < 1_000_000, "{before} bytes became {after}");
    assert!(log_bytes(&path) < 1_000_000);
    assert_eq!(store.instance("298").await.unwrap(), kept);
    assert_eq!(number(&shell(&path), "PRAGMA user_version"), 1);
}

/// Other commits wait for a removal, so it takes less at once when much hangs on each instance.
#[tokio::test]
async fn a_removal_stops_when_it_has_done_enough() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    let end = |key: InstanceKey, events: u64| {
        let history = (0..events).map(|_| NewEvent { time: at(1), event: event() }).collect();
        Write::Turn(Box::new(TurnCommit { status: RuntimeStatus::Completed, history, ..turn(key, 1) }))
    };
    for id in 0..100 {
        let key = start(&store, CreateInstance { input: text(500_000), ..create(&format!("large {id}")) }).await;
        assert_eq!(commit(&store, end(key, 1)).await, Written::Done);
    }
    for (id, events) in [2_000, 2_000, 2_000, 20_000, 1].into_iter().enumerate() {
        let key = start(&store, create(&format!("long {id}"))).await;
        assert_eq!(commit(&store, end(key, events)).await, Written::Done);
    }
    let mut counts = Vec::new();
    loop {
        let write = Write::Expire { status: RuntimeStatus::Completed, through: at(1), limit: 1_000 };
        let Written::Expired { gone, oldest } = commit(&store, write).await else { panic!() };
        counts.push(gone.len());
        if oldest.is_none() {
            break;
        }
    }
    // The last of the large ones and the first two long ones go together, and each of the others alone.
    let (large, long) = counts.split_at(counts.len() - 4);
    assert!(large.iter().all(|count| *count <= 10), "{counts:?}");
    assert_eq!((large.iter().sum::<usize>() + long[0], &long[1..]), (102, &[1, 1, 1][..]), "{counts:?}");
}

/// Each start of a process leaves a row; those of long ago go.
#[tokio::test]
async fn starts_of_long_ago_are_forgotten() {
    let (_dir, path) = hub();
    let store = Sqlite::options().relaxed_durability().open(&path).unwrap();
    let first = store.attach("first", Duration::ZERO).await.unwrap().worker;
    let key = start(&store, CreateInstance { owner: Some(first), ..create("a") }).await;
    store.detach(first).await.unwrap();
    let mut last = first;
    for n in 0..1_200 {
        last = store.attach(&format!("process {n}"), Duration::ZERO).await.unwrap().worker;
        store.detach(last).await.unwrap();
    }
    assert_eq!(number(&shell(&path), "SELECT count(*) FROM workers"), 1_000);
    // Nobody knows any more how the first owner ended.
    let Written::Claimed(claimed) = commit(&store, Write::Claim { key, worker: last, runs: None }).await else {
        panic!()
    };
    assert!(claimed.owner_lost && claimed.instance.epoch == 2);
}

#[activity]
async fn work(text: String) -> Result<String, ActivityError> {
    Ok(text)
}

#[orchestrator]
async fn chain(ctx: OrchestrationContext, text: String) -> Result<String, OrchestratorError> {
    ctx.set_custom_status(&"at work")?;
    let mut text = text;
    for _ in 0..3 {
        text = ctx.call_activity(work, text).await?;
    }
    ctx.call_sub_orchestrator(ends, ()).await?;
    Ok(text)
}

#[orchestrator]
async fn ends(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    Ok(())
}

/// Ten minutes of load after the other, of which the last few stay in the file.
#[tokio::test]
async fn a_steady_load_keeps_the_file_as_large_as_it_is() {
    let (_dir, path) = hub();
    let clock = VirtualClock::new();
    let hub = TaskHub::builder()
        .backend(Sqlite::options().relaxed_durability().open(&path).unwrap())
        .orchestrator(chain)
        .orchestrator(ends)
        .activity(work)
        .retention(Retention::all(Duration::from_secs(25 * 60)))
        .clock(clock.clone())
        .start()
        .await
        .unwrap();
    let client = hub.client();
    let mut pages = Vec::new();
    for _ in 0..12 {
        let runs = (0..50).map(|_| async {
            let run = client.start(chain, "x".repeat(3_000)).tag("kind", "load").await.unwrap();
            run.output().await.unwrap()
        });
        join_all(runs).await;
        clock.advance(Duration::from_secs(10 * 60));
        // What has ended in this round and in the one before, children included.
        while client.count(InstanceQuery::new()).await.unwrap() > 200 {
            tokio::task::yield_now().await;
        }
        pages.push(number(&shell(&path), "PRAGMA page_count"));
    }
    hub.shutdown().await.unwrap();
    let (third, last) = (pages[2], pages[11]);
    assert!(last <= third + third / 20, "the file grows: {pages:?}");
}
