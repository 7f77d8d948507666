//! The threads that own the connections.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, Result};
use super::look::Snapshots;
use super::space::Log;
use crate::backend::{BackendError, BackendErrorKind};

/// The most callers that share a transaction.
const MOST_CALLS: usize = 64;

/// Threads that carry out calls, until it is dropped; then they finish what they were given and end.
#[derive(Debug)]
pub(super) struct Threads {
    calls: Option<Sender<Box<dyn Call>>>,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    /// One thread that writes. Calls that wait at the same time share a transaction, and thereby a flush. No snapshot is kept
    /// while it writes.
    pub(super) fn writer(conn: Connection, path: Arc<Path>, snapshots: Arc<Snapshots>) -> Result<Self> {
        let (calls, receiver) = channel();
        let thread = spawn("durable-sqlite-writer", move || write(&conn, &receiver, &path, &snapshots))?;
        Ok(Self { calls: Some(calls), threads: vec![thread] })
    }

    /// One thread for each connection, taking turns at the calls.
    pub(super) fn readers(conns: Vec<Connection>, path: &Arc<Path>) -> Result<Self> {
        let (calls, receiver) = channel();
        let receiver = Arc::new(Mutex::new(receiver));
        let mut readers = Self { calls: Some(calls), threads: Vec::new() };
        for conn in conns {
            let (receiver, path) = (Arc::clone(&receiver), Arc::clone(path));
            readers.threads.push(spawn("durable-sqlite-reader", move || read(&conn, &receiver, &path))?);
        }
        Ok(readers)
    }

    /// Has `work` done by one of the threads. It may be done again, after a rollback.
    pub(super) async fn call<T, W>(&self, work: W) -> std::result::Result<T, BackendError>
    where
        T: Send + 'static,
        W: FnMut(&Connection) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        if let Some(calls) = &self.calls {
            // When nobody receives, the call is dropped with its half of the channel, which the other half sees.
            let _ = calls.send(Box::new(Pending { work, result: None, answer }));
        }
        answered
            .await
            .unwrap_or_else(|_| Err(BackendError::new(BackendErrorKind::Other, "the store's thread panicked")))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.calls = None;
        for thread in self.threads.drain(..) {
            // A panic has been told to whoever waited for an answer.
            let _ = thread.join();
        }
    }
}

pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map_err(|error| {
        Failure::new(BackendErrorKind::Unavailable, format!("a thread for it cannot be started ({error})"))
    })
}

/// Work for a connection, and somebody who waits for it.
trait Call: Send {
    fn run(&mut self, conn: &Connection) -> Result<()>;
    fn answer(self: Box<Self>, end: std::result::Result<(), BackendError>);
}

struct Pending<T, W> {
    work: W,
    result: Option<T>,
    answer: oneshot::Sender<std::result::Result<T, BackendError>>,
}

impl<T, W> Call for Pending<T, W>
where
    T: Send,
    W: FnMut(&Connection) -> Result<T> + Send,
{
    fn run(&mut self, conn: &Connection) -> Result<()> {
        self.result = Some((self.work)(conn)?);
        Ok(())
    }

    fn answer(self: Box<Self>, end: std::result::Result<(), BackendError>) {
        let Self { result, answer, .. } = *self;
        if let Some(end) = end.map(|()| result).transpose() {
            // Whoever asked may have gone away.
            let _ = answer.send(end);
        }
    }
}

fn read(conn: &Connection, calls: &Mutex<Receiver<Box<dyn Call>>>, path: &Path) {
    loop {
        let next = calls.lock().recv();
        let Ok(mut call) = next else { return };
        let end = call.run(conn).map_err(|failure| failure.of_file(path));
        call.answer(end);
    }
}

fn write(conn: &Connection, calls: &Receiver<Box<dyn Call>>, path: &Path, snapshots: &Snapshots) {
    let mut log = Log::of(path);
    while let Ok(first) = calls.recv() {
        let _pause = snapshots.pause();
        let mut group = vec![first];
        group.extend(calls.try_iter().take(MOST_CALLS - 1));
        let end = transact(conn, &mut group);
        if group.len() > 1 && matches!(end, Err(Stopped::AtCall(_))) {
            // One of them fails; alone, it fails alone.
            for mut call in group {
                let end = transact(conn, std::slice::from_mut(&mut call));
                call.answer(end.map_err(|stopped| stopped.failure().of_file(path)));
            }
        } else {
            let end = end.map_err(Stopped::failure);
            for call in group {
                call.answer(end.clone().map_err(|failure| failure.of_file(path)));
            }
        }
        log.keep_small(conn);
    }
}

/// Where a transaction ended.
enum Stopped {
    /// One of the calls failed; nothing happened.
    AtCall(Failure),
    /// The transaction itself failed.
    AtBoundary(Failure),
}

impl Stopped {
    fn failure(self) -> Failure {
        match self {
            Self::AtCall(failure) | Self::AtBoundary(failure) => failure,
        }
    }
}

fn transact(conn: &Connection, group: &mut [Box<dyn Call>]) -> std::result::Result<(), Stopped> {
    let boundary = |sql| conn.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
    boundary("BEGIN IMMEDIATE").map_err(|error| Stopped::AtBoundary(error.into()))?;
    let done = group.iter_mut().try_for_each(|call| call.run(conn)).map_err(Stopped::AtCall);
    let done = done.and_then(|()| match boundary("COMMIT") {
        Ok(_) => Ok(()),
        Err(error) => Err(Stopped::AtBoundary(error.into())),
    });
    // Some errors end the transaction by themselves.
    if done.is_err() && !conn.is_autocommit() {
        let _ = boundary("ROLLBACK");
    }
    done
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::backend::BackendErrorKind::Unavailable;

    /// A writer on a new file with a table of numbers, and another connection to the file.
    fn writer() -> (Threads, Connection, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("numbers.db");
        let conn = Connection::open(&path).unwrap();
        conn.execute_batch("PRAGMA journal_mode = wal; CREATE TABLE numbers (n PRIMARY KEY)").unwrap();
        let other = Connection::open(&path).unwrap();
        (Threads::writer(conn, Arc::from(path), Arc::default()).unwrap(), other, dir)
    }

    fn count(conn: &Connection) -> i64 {
        conn.query_row("SELECT count(*) FROM numbers", [], |row| row.get(0)).unwrap()
    }

    fn insert(n: i64) -> impl FnMut(&Connection) -> Result<usize> + Send {
        move |conn| Ok(conn.execute("INSERT INTO numbers VALUES (?1)", [n])?)
    }

    /// Calls that arrive while another is running.
    async fn meanwhile<T>(writer: &Threads, calls: impl Future<Output = T>) -> T {
        let (running, is_running) = oneshot::channel();
        let (release, released) = mpsc::channel();
        let mut running = Some(running);
        let busy = writer.call(move |_| {
            running.take().unwrap().send(()).unwrap();
            released.recv().unwrap();
            Ok(())
        });
        let calls = async {
            is_running.await.unwrap();
            tokio::join!(calls, async { release.send(()).unwrap() }).0
        };
        let (end, result) = tokio::join!(busy, calls);
        end.unwrap();
        result
    }

    #[tokio::test]
    async fn calls_that_wait_share_a_transaction() {
        let (writer, other, _dir) = writer();
        let (first, seen, last) = meanwhile(&writer, async {
            let look = move |_: &Connection| Ok(count(&other));
            tokio::join!(writer.call(insert(1)), writer.call(look), writer.call(insert(2)))
        })
        .await;
        assert_eq!((first.unwrap(), last.unwrap()), (1, 1));
        assert_eq!(seen.unwrap(), 0, "the first call was committed before the second");
        assert_eq!(writer.call(|conn| Ok(count(conn))).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_call_that_fails_is_rolled_back_alone() {
        let (writer, _other, _dir) = writer();
        let fails = |conn: &Connection| {
            insert(7)(conn)?;
            insert(1)(conn)
        };
        let (a, b, c) = meanwhile(&writer, async {
            tokio::join!(writer.call(insert(1)), writer.call(fails), writer.call(insert(2)))
        })
        .await;
        assert!(a.is_ok() && c.is_ok());
        assert_eq!(b.unwrap_err().kind(), BackendErrorKind::Other);
        assert_eq!(writer.call(|conn| Ok(count(conn))).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn a_full_disk_is_survived() {
        let (writer, other, _dir) = writer();
        let large = |conn: &Connection| Ok(conn.execute("INSERT INTO numbers VALUES (zeroblob(1000000))", [])?);
        let most = |pages: u32| {
            move |conn: &Connection| Ok(conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?)
        };
        writer.call(most(10)).await.unwrap();
        assert_eq!(writer.call(large).await.unwrap_err().kind(), Unavailable);
        writer.call(most(10_000)).await.unwrap();
        assert_eq!(writer.call(large).await.unwrap(), 1);
        assert_eq!(count(&other), 1);
    }

    #[tokio::test]
    async fn a_panic_is_an_error_for_who_waits() {
        let (writer, _other, _dir) = writer();
        let error = writer.call(|_| -> Result<()> { panic!("on purpose") }).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Other);
        assert!(writer.call(insert(1)).await.is_err());
    }
}
