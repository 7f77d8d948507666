//! The threads that own the connections.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use parking_lot::Mutex;
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::error::{Failure, Result};
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
    /// One thread that writes. Calls that wait at the same time share a transaction, and thereby a flush.
    pub(super) fn writer(conn: Connection, path: Arc<Path>) -> Result<Self> {
        let (calls, receiver) = channel();
        let thread = spawn("durable-sqlite-writer", move || write(&conn, &receiver, &path))?;
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

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>> {
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

fn write(conn: &Connection, calls: &Receiver<Box<dyn Call>>, path: &Path) {
    while let Ok(first) = calls.recv() {
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
