//! What the disk and SQLite allow at most: bare loops that write the rows of the engine and do nothing else.
//!
//! They are the yardstick of the budgets, so they must not go through the `Backend` that is being measured. This is the one
//! file outside `backend/sqlite` that names rusqlite.

use std::path::Path;
use std::time::{Duration, Instant};

use rusqlite::{Connection, TransactionBehavior, params};
use tempfile::TempDir;

use super::latencies::Latencies;
use super::usage::Usage;
use super::{Outcome, on_this_thread};

/// How many steps an instance lives, as in the workload it is compared with: five activities have six turns.
pub(super) const STEPS: i64 = 6;

/// As wide as the engine's rows: a history row beside its keys, the call of an activity, an instance beside its id.
pub(super) const EVENT: &str = "TaskCompleted no_op 17640000000000000 17640000000000000";
pub(super) const CALL: &str = "no_op null 1099511627777";
pub(super) const INSTANCE: &str = "7c9e6679742540de944be07fc1f90ae7 sequence Running 17640000000000 1764000000000";

/// The bare schema: integer keys, and one index, by which an instance is found by its id. No step touches it.
const SCHEMA: &str = "
    CREATE TABLE instances (key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, turn INTEGER NOT NULL, body TEXT NOT NULL);
    CREATE TABLE history (key INTEGER, seq INTEGER, body TEXT NOT NULL, PRIMARY KEY (key, seq)) WITHOUT ROWID;
    CREATE TABLE activities (key INTEGER, call INTEGER, body TEXT NOT NULL, PRIMARY KEY (key, call)) WITHOUT ROWID;
    CREATE TABLE inbox (key INTEGER, seq INTEGER, body TEXT NOT NULL, PRIMARY KEY (key, seq)) WITHOUT ROWID;";

/// What a place allows at most.
pub(super) trait Ceiling {
    /// How long the commit of a single step takes: the unit of all latencies.
    fn single_commits(&mut self, count: usize) -> Outcome<Latencies>;

    /// Steps in a second, and microseconds of processor time for each, when `producers` instances share each transaction.
    fn steps(&mut self, producers: i64, time: Duration) -> Outcome<(f64, f64)>;

    /// Instances in a second that are created and then wait, and such that get an event and end, when `group` of them
    /// share each transaction. Each takes two commits: for the message, and for the turn.
    fn parks_and_raises_per_s(&mut self, count: i64, group: i64) -> Outcome<(f64, f64)>;

    /// The process of the server, if there is one and it runs on this machine.
    fn server(&self) -> Option<u32> {
        None
    }
}

/// A file of its own with one connection, set up as the engine's store is.
#[derive(Debug)]
pub(super) struct Bare {
    conn: Connection,
    next_key: i64,
    /// Closes after the connection.
    _dir: TempDir,
}

impl Bare {
    /// A new file below this directory.
    pub(super) fn open(dir: &Path) -> Outcome<Self> {
        let dir = tempfile::tempdir_in(dir)?;
        let conn = Connection::open(dir.path().join("bare.db"))?;
        for (pragma, value) in [
            ("journal_mode", "wal"),
            ("synchronous", "full"),
            ("cache_size", "-16384"),
            ("wal_autocheckpoint", "4000"),
            ("journal_size_limit", "67108864"),
            ("temp_store", "memory"),
        ] {
            conn.pragma_update(None, pragma, value)?;
        }
        conn.execute_batch(SCHEMA)?;
        Ok(Self { conn, next_key: 1, _dir: dir })
    }

    /// Instances for steps to come, in one commit that no figure counts.
    fn create(&mut self, count: i64) -> Outcome<std::ops::Range<i64>> {
        let keys = self.next_key..self.next_key + count;
        self.next_key = keys.end;
        self.in_one_commit(|conn| keys.clone().try_for_each(|key| create(conn, key)))?;
        Ok(keys)
    }

    fn in_one_commit(&mut self, write: impl FnOnce(&Connection) -> rusqlite::Result<()>) -> Outcome<()> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        write(&tx)?;
        Ok(tx.commit()?)
    }
}

impl Ceiling for Bare {
    fn single_commits(&mut self, count: usize) -> Outcome<Latencies> {
        on_this_thread(|| {
            let keys = self.create(1)?;
            let mut times = Latencies::default();
            for turn in 1..=count as i64 {
                let begun = Instant::now();
                self.in_one_commit(|conn| step(conn, keys.start, turn))?;
                times.push(begun.elapsed());
            }
            Ok(times)
        })
    }

    fn steps(&mut self, producers: i64, time: Duration) -> Outcome<(f64, f64)> {
        on_this_thread(|| {
            let (mut wall, mut cpu_us, mut steps) = (Duration::ZERO, 0.0, 0.0);
            while wall < time {
                let keys = self.create(producers)?;
                let begun = Usage::now();
                for turn in 1..=STEPS {
                    self.in_one_commit(|conn| keys.clone().try_for_each(|key| step(conn, key, turn)))?;
                    steps += producers as f64;
                }
                let spent = begun.spent();
                wall += spent.wall;
                cpu_us += spent.cpu_us_each(1.0);
            }
            Ok((steps / wall.as_secs_f64(), cpu_us / steps))
        })
    }

    fn parks_and_raises_per_s(&mut self, count: i64, group: i64) -> Outcome<(f64, f64)> {
        on_this_thread(|| {
            let first = self.next_key;
            self.next_key += count;
            let groups = |bare: &mut Self, writes: [Writes; 2]| -> Outcome<f64> {
                let begun = Instant::now();
                let mut from = first;
                while from < first + count {
                    let keys = from..(from + group).min(first + count);
                    for write in writes {
                        bare.in_one_commit(|conn| keys.clone().try_for_each(|key| write(conn, key)))?;
                    }
                    from = keys.end;
                }
                Ok(count as f64 / begun.elapsed().as_secs_f64())
            };
            Ok((groups(self, [create, park])?, groups(self, [receive, finish])?))
        })
    }
}

/// What one instance writes in one transaction.
type Writes = fn(&Connection, i64) -> rusqlite::Result<()>;

const UPDATE: &str = "UPDATE instances SET turn = turn + 1 WHERE key = ?1";

fn execute(conn: &Connection, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
    conn.prepare_cached(sql)?.execute(params).map(|_rows| ())
}

fn event(conn: &Connection, key: i64, seq: i64) -> rusqlite::Result<()> {
    execute(conn, "INSERT INTO history VALUES (?1, ?2, ?3)", params![key, seq, EVENT])
}

/// The row set of a step: the instance, two events, a call that is over and a new one.
fn step(conn: &Connection, key: i64, turn: i64) -> rusqlite::Result<()> {
    execute(conn, UPDATE, [key])?;
    event(conn, key, 2 * turn)?;
    event(conn, key, 2 * turn + 1)?;
    execute(conn, "DELETE FROM activities WHERE key = ?1 AND call = ?2", [key, turn - 1])?;
    execute(conn, "INSERT INTO activities VALUES (?1, ?2, ?3)", params![key, turn, CALL])
}

fn create(conn: &Connection, key: i64) -> rusqlite::Result<()> {
    execute(conn, "INSERT INTO instances VALUES (?1, ?2, 0, ?3)", params![key, id(key), INSTANCE])
}

/// As long as a GUID, and in no order.
pub(super) fn id(key: i64) -> String {
    let mixed = key.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    format!("{mixed:016x}{:016x}", mixed.rotate_left(29))
}

fn park(conn: &Connection, key: i64) -> rusqlite::Result<()> {
    execute(conn, UPDATE, [key])?;
    event(conn, key, 1)
}

fn receive(conn: &Connection, key: i64) -> rusqlite::Result<()> {
    execute(conn, UPDATE, [key])?;
    execute(conn, "INSERT INTO inbox VALUES (?1, 1, ?2)", params![key, EVENT])
}

fn finish(conn: &Connection, key: i64) -> rusqlite::Result<()> {
    execute(conn, UPDATE, [key])?;
    event(conn, key, 2)?;
    event(conn, key, 3)?;
    execute(conn, "DELETE FROM inbox WHERE key = ?1 AND seq <= 1", [key])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn it_is_as_durable_as_the_engine() {
        let dir = tempfile::tempdir().unwrap();
        let bare = Bare::open(dir.path()).unwrap();
        let pragma = |name| bare.conn.pragma_query_value(None, name, |row| row.get::<_, rusqlite::types::Value>(0));
        assert_eq!(pragma("journal_mode").unwrap(), "wal".to_owned().into());
        assert_eq!(pragma("synchronous").unwrap(), 2.into());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_rows_of_steps_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let mut bare = Bare::open(dir.path()).unwrap();
        bare.steps(3, Duration::from_nanos(1)).unwrap();
        bare.parks_and_raises_per_s(5, 2).unwrap();
        let count = |table: &str| {
            let sql = format!("SELECT count(*) FROM {table}");
            bare.conn.query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(count("instances"), 3 + 5);
        assert_eq!(count("history"), 3 * 2 * STEPS + 5 * 3);
        assert_eq!((count("activities"), count("inbox")), (3, 0));
    }
}
