//! Small queries on the thread of the caller.
//!
//! One row by its key is a few microseconds of work in pages that are nearly always in memory; to hand it to another thread and
//! to be woken by it takes several times as long. A query that would have to wait for anybody is left to the readers' threads.
//!
//! Half of those microseconds go into the locks of the file, with which each query begins and ends a snapshot of its own. Where
//! queries come one after the other and nobody writes, the same snapshot serves them all. The writer ends it before it writes, so
//! a query sees every commit that was made before it, and the log never waits for it. Other programs may read and even write the
//! file, too, and cannot end it: it ends by itself after a few milliseconds, also when no more queries come.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;
use rusqlite::Connection;

use super::error::Result;
use super::writer::spawn;

/// How many looks a connection makes with snapshots of their own before it keeps one. To end it later costs as much as several
/// looks, which are not worth it when there are few of them.
const LOOKS_BEFORE_KEEPING: u32 = 16;

/// How long a snapshot is kept at most.
const KEPT: Duration = Duration::from_millis(5);

/// Connections that nobody uses at present.
#[derive(Debug)]
pub(super) struct Looks {
    snapshots: Arc<Snapshots>,
    /// Told when a snapshot is kept, to end it later.
    kept: Option<Sender<()>>,
    ender: Option<JoinHandle<()>>,
}

/// The connections with the snapshots that they keep, for those who end these.
#[derive(Debug, Default)]
pub(super) struct Snapshots(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    idle: Vec<Looker>,
    /// How often snapshots were ended. One that has begun before must not be kept, whoever uses it at that moment.
    ends: u64,
    /// No snapshot is kept meanwhile.
    is_writing: bool,
    /// The thread that ends them knows that there are some.
    is_told: bool,
}

#[derive(Debug)]
struct Looker {
    conn: Connection,
    /// How many looks it has made since `ends` had this value.
    looks: u32,
    ends: u64,
    /// It is in a transaction, which holds its snapshot.
    keeps: bool,
}

impl Looker {
    /// Takes notice of what was ended, and begins a transaction if it is worth it.
    fn begin(&mut self, ends: u64, is_writing: bool) {
        if self.ends != ends {
            (self.ends, self.looks) = (ends, 0);
        }
        self.looks = self.looks.saturating_add(1);
        if !self.keeps && !is_writing && self.looks > LOOKS_BEFORE_KEEPING {
            // Without one, each query has its own. The snapshot is taken by the first query.
            self.keeps = self.conn.execute_batch("BEGIN").is_ok();
        }
    }

    /// Gives the snapshot up.
    fn end(&mut self) {
        if std::mem::take(&mut self.keeps) && self.conn.execute_batch("COMMIT").is_err() {
            // A transaction that has only read has nothing that could fail, and is over either way.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
    }
}

impl Looks {
    /// The connections must not wait for locks. The writer knows of their snapshots.
    pub(super) fn new(conns: Vec<Connection>, snapshots: Arc<Snapshots>) -> Result<Self> {
        let (kept, told) = channel();
        let shared = Arc::clone(&snapshots);
        let ender = spawn("durable-sqlite-looks", move || end_later(&shared, &told))?;
        let looker = |conn| Looker { conn, looks: 0, ends: 0, keeps: false };
        snapshots.0.lock().idle.extend(conns.into_iter().map(looker));
        Ok(Self { snapshots, kept: Some(kept), ender: Some(ender) })
    }

    /// Has `look` done here and now. `None` when all connections are in use, or when it did not get through.
    pub(super) fn look<T>(&self, look: impl FnOnce(&Connection) -> Result<T>) -> Option<T> {
        let (mut looker, ends, is_writing) = {
            let mut state = self.snapshots.0.lock();
            (state.idle.pop()?, state.ends, state.is_writing)
        };
        looker.begin(ends, is_writing);
        let found = look(&looker.conn);
        self.put_back(looker, ends, found.is_ok());
        // Whatever is wrong, the slow way tells it, or waits until it is over.
        found.ok()
    }

    /// Keeps the snapshot unless it was to end meanwhile. One in which a query failed is not trusted.
    fn put_back(&self, mut looker: Looker, ends: u64, may_keep: bool) {
        let mut state = self.snapshots.0.lock();
        if looker.keeps && (!may_keep || state.ends != ends) {
            // Nobody waits for the lock meanwhile, and nobody can want a connection in this state to be kept.
            drop(state);
            looker.end();
            state = self.snapshots.0.lock();
        }
        let tell = looker.keeps && !std::mem::replace(&mut state.is_told, true);
        state.idle.push(looker);
        drop(state);
        if tell && let Some(kept) = &self.kept {
            // It listens as long as we can tell it something.
            let _ = kept.send(());
        }
    }
}

impl Drop for Looks {
    fn drop(&mut self) {
        self.kept = None;
        if let Some(ender) = self.ender.take() {
            // It has nothing to panic about.
            let _ = ender.join();
        }
        // The writer still has its half, and must be the last who has the file open.
        self.snapshots.0.lock().idle.clear();
    }
}

impl Snapshots {
    /// Ends all snapshots, and lets none be kept until the answer is dropped.
    #[must_use]
    pub(super) fn pause(&self) -> Pause<'_> {
        self.end_all(|state| state.is_writing = true);
        Pause(self)
    }

    fn end_all(&self, also: impl FnOnce(&mut State)) {
        let mut state = self.0.lock();
        state.ends += 1;
        state.idle.iter_mut().for_each(Looker::end);
        also(&mut state);
    }
}

/// The time of a write.
pub(super) struct Pause<'a>(&'a Snapshots);

impl Drop for Pause<'_> {
    fn drop(&mut self) {
        self.0.0.lock().is_writing = false;
    }
}

/// Ends snapshots that were kept for long enough, until nobody can tell of one any more.
fn end_later(snapshots: &Snapshots, told: &Receiver<()>) {
    while told.recv().is_ok() {
        if told.recv_timeout(KEPT) == Err(RecvTimeoutError::Disconnected) {
            return;
        }
        snapshots.end_all(|state| state.is_told = false);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use super::*;
    use crate::backend::sqlite::error::Failure;

    /// A file with a number in it, connections that look at it, and one that writes.
    struct File {
        looks: Looks,
        snapshots: Arc<Snapshots>,
        shell: Connection,
        _dir: tempfile::TempDir,
    }

    fn file(connections: usize) -> File {
        let dir = tempfile::tempdir().unwrap();
        let open = || {
            let conn = Connection::open(dir.path().join("numbers.db")).unwrap();
            conn.busy_timeout(Duration::ZERO).unwrap();
            conn
        };
        let shell = open();
        shell
            .execute_batch("PRAGMA journal_mode = wal; PRAGMA synchronous = OFF; CREATE TABLE numbers (n); INSERT INTO numbers VALUES (0)")
            .unwrap();
        let snapshots = Arc::<Snapshots>::default();
        let looks = Looks::new((0..connections).map(|_| open()).collect(), Arc::clone(&snapshots)).unwrap();
        File { looks, snapshots, shell, _dir: dir }
    }

    impl File {
        fn number(&self) -> i64 {
            self.looks.look(number).unwrap()
        }

        fn set(&self, number: i64) {
            self.shell.execute("UPDATE numbers SET n = ?1", [number]).unwrap();
        }

        fn keeps(&self) -> usize {
            self.snapshots.0.lock().idle.iter().filter(|looker| looker.keeps).count()
        }

        /// Looks until a snapshot is kept. It may end at any time.
        fn keep(&self) {
            while self.keeps() == 0 {
                self.number();
            }
        }

        /// True when nobody holds a snapshot.
        fn is_free(&self) -> bool {
            self.shell.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap() == 0
        }
    }

    fn number(conn: &Connection) -> Result<i64> {
        Ok(conn.prepare_cached("SELECT n FROM numbers")?.query_row([], |row| row.get(0))?)
    }

    #[test]
    fn a_look_that_fails_or_finds_no_connection_is_left_to_others() {
        let file = file(1);
        let looks = &file.looks;
        assert_eq!(looks.look(|_| Ok(1)), Some(1));
        assert_eq!(looks.look(|_| looks.look(|_| Ok(1)).map_or(Ok(2), Ok)), Some(2), "the only connection is in use");
        assert_eq!(looks.look(|_| Err::<u8, _>(Failure::corrupt("on purpose"))), None);
        assert_eq!(looks.look(|_| Ok(3)), Some(3), "a connection was lost");
        file.keep();
        assert_eq!(looks.look(|_| Err::<u8, _>(Failure::corrupt("on purpose"))), None);
        assert_eq!((file.keeps(), file.number()), (0, 0), "a snapshot in which a query failed is kept");
    }

    #[test]
    fn a_few_looks_keep_nothing() {
        let file = file(1);
        for _ in 0..LOOKS_BEFORE_KEEPING {
            file.number();
            assert_eq!(file.keeps(), 0);
        }
        assert!(file.is_free());
    }

    #[test]
    fn what_is_written_is_seen_at_once() {
        let file = file(2);
        for n in 1..500 {
            file.keep();
            let pause = file.snapshots.pause();
            assert_eq!(file.keeps(), 0);
            assert!(file.is_free(), "a snapshot is open while something is written");
            file.set(n);
            assert_eq!(file.number(), n);
            drop(pause);
            assert_eq!(file.number(), n);
        }
    }

    #[test]
    fn nothing_is_kept_while_something_is_written() {
        let file = file(1);
        let _pause = file.snapshots.pause();
        for _ in 0..10 * LOOKS_BEFORE_KEEPING {
            file.number();
            assert_eq!(file.keeps(), 0);
        }
    }

    #[test]
    fn a_look_that_is_overtaken_by_a_write_keeps_nothing() {
        let file = file(1);
        file.keep();
        let seen = file.looks.look(|conn| {
            let before = number(conn)?;
            let _pause = file.snapshots.pause();
            file.set(1);
            Ok((before, number(conn)?))
        });
        let (before, after) = seen.unwrap();
        assert!(before == 0 && after <= 1, "{before} became {after}");
        assert_eq!((file.keeps(), file.number()), (0, 1));
    }

    /// Who reads after a write was reported sees it, however many read at the same time.
    #[test]
    fn readers_and_a_writer_at_the_same_time() {
        let file = file(4);
        let written = std::sync::atomic::AtomicI64::new(0);
        let over = AtomicBool::new(false);
        // The writing connection cannot be shared between threads, so it is this one that writes.
        let File { looks, snapshots, shell, .. } = &file;
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    while !over.load(Ordering::SeqCst) {
                        let least = written.load(Ordering::SeqCst);
                        let seen = looks.look(number);
                        assert!(seen.is_none_or(|seen| seen >= least), "{seen:?} instead of {least}");
                    }
                });
            }
            for n in 1..2_000 {
                let pause = snapshots.pause();
                // A look that is only now putting its connection back makes the file busy for a moment.
                while shell.execute("UPDATE numbers SET n = ?1", [n]).is_err() {}
                written.store(n, Ordering::SeqCst);
                drop(pause);
            }
            over.store(true, Ordering::SeqCst);
        });
    }

    /// Other programs write without telling, and want the log to be empty.
    #[test]
    fn a_snapshot_ends_by_itself() {
        let file = file(2);
        let soon = Instant::now() + Duration::from_secs(30);
        file.keep();
        file.set(1);
        while file.number() != 1 {
            assert!(Instant::now() < soon, "what a shell wrote is not seen");
        }
        file.keep();
        while !file.is_free() {
            assert!(Instant::now() < soon, "a snapshot stays open");
            std::thread::yield_now();
        }
    }

    #[test]
    fn the_connections_are_closed_although_the_writer_lives() {
        let file = file(3);
        file.keep();
        drop(file.looks);
        assert!(file.snapshots.0.lock().idle.is_empty());
    }
}
