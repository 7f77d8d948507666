//! What PostgreSQL allows at most: the loops of `ceiling.rs` on one connection, which sends each transaction in one go and whose
//! statements take all rows of a group at once. Commits are as durable as the server has them.
//!
//! As there, the yardstick must not go through the `Backend` that is being measured.

use std::iter;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::runtime::Handle;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, NoTls, Statement};

use super::ceiling::{CALL, Ceiling, EVENT, INSTANCE, STEPS, id};
use super::latencies::Latencies;
use super::usage::{Usage, parent_named};
use super::{Outcome, on_this_thread};

const SCHEMA: &str = "
    CREATE TABLE instances (key bigint PRIMARY KEY, id text NOT NULL UNIQUE, turn bigint NOT NULL, body text NOT NULL)
        WITH (fillfactor = 70);
    CREATE TABLE history (key bigint, seq bigint, body text NOT NULL, PRIMARY KEY (key, seq));
    CREATE TABLE activities (key bigint, call bigint, body text NOT NULL, PRIMARY KEY (key, call));
    CREATE TABLE inbox (key bigint, seq bigint, body text NOT NULL, PRIMARY KEY (key, seq));";

/// The plans are those of tables with many rows, from the first one on.
const SETTINGS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; SET enable_hashjoin = off;
    SET enable_mergejoin = off; SET enable_material = off; SET jit = off;";

/// A schema of its own with one connection.
pub(super) struct BarePostgres {
    client: Client,
    statements: Statements,
    next_key: i64,
    url: String,
    schema: String,
    server: Option<u32>,
}

struct Statements {
    begin: Statement,
    commit: Statement,
    create: Statement,
    update: Statement,
    add_events: Statement,
    end_calls: Statement,
    add_calls: Statement,
    add_messages: Statement,
    consume: Statement,
}

/// A statement and what it is given.
type Step<'a> = (&'a Statement, &'a [&'a (dyn ToSql + Sync)]);

/// A connection that ends with the client. The URL must not ask for encryption.
async fn connect(url: &str) -> Outcome<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    Ok(client)
}

fn wait_for<T>(work: impl Future<Output = T>) -> T {
    on_this_thread(|| Handle::current().block_on(work))
}

/// Removes a schema, and has written what would otherwise be written while something else is measured.
pub(super) fn drop_schema(url: &str, schema: &str) -> Outcome<()> {
    wait_for(async {
        let client = connect(url).await?;
        client.batch_execute(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE")).await?;
        // Not every user may do this.
        let _ = client.batch_execute("CHECKPOINT").await;
        Ok(())
    })
}

impl BarePostgres {
    /// A new schema in this database.
    pub(super) fn open(url: &str) -> Outcome<Self> {
        wait_for(async {
            let schema = format!("bench_bare_{}", std::process::id());
            let client = connect(url).await?;
            let begin =
                format!("DROP SCHEMA IF EXISTS {schema} CASCADE; CREATE SCHEMA {schema}; SET search_path = {schema};");
            client.batch_execute(&format!("{begin} {SCHEMA} {SETTINGS}")).await?;
            let statements = Statements::prepare(&client).await?;
            let process: i32 = client.query_one("SELECT pg_backend_pid()", &[]).await?.get(0);
            let server = parent_named(process.cast_unsigned(), "postgres");
            Ok(Self { client, statements, next_key: 1, url: url.to_owned(), schema, server })
        })
    }

    /// Instances for steps to come, in one commit that no figure counts.
    async fn create(&mut self, count: i64) -> Outcome<Vec<i64>> {
        let keys: Vec<_> = (self.next_key..self.next_key + count).collect();
        self.next_key += count;
        self.insert(&keys).await?;
        Ok(keys)
    }

    async fn in_one_commit(&self, steps: &[Step<'_>]) -> Outcome<()> {
        let all = iter::once((&self.statements.begin, &[][..]))
            .chain(steps.iter().copied())
            .chain([(&self.statements.commit, &[][..])]);
        // All are sent before the first answer comes, in this order.
        let answers = join_all(all.map(|(statement, params)| self.client.execute(statement, params))).await;
        Ok(answers.into_iter().try_for_each(|answer| answer.map(|_rows| ()))?)
    }

    async fn insert(&self, keys: &[i64]) -> Outcome<()> {
        let Statements { create, .. } = &self.statements;
        let ids: Vec<_> = keys.iter().copied().map(id).collect();
        let bodies = vec![INSTANCE; keys.len()];
        self.in_one_commit(&[(create, &[&keys, &ids, &bodies])]).await
    }

    /// The row set of a step, for each of these instances: the instance, two events, a call that is over and a new one.
    async fn step(&self, keys: &[i64], turn: i64) -> Outcome<()> {
        let Statements { update, add_events, end_calls, add_calls, .. } = &self.statements;
        let (of, seqs, events) = events(keys, &[2 * turn, 2 * turn + 1]);
        let (last, turns) = (vec![turn - 1; keys.len()], vec![turn; keys.len()]);
        let calls = vec![CALL; keys.len()];
        self.in_one_commit(&[
            (update, &[&keys]),
            (add_events, &[&of, &seqs, &events]),
            (end_calls, &[&keys, &last]),
            (add_calls, &[&keys, &turns, &calls]),
        ])
        .await
    }

    async fn park(&self, keys: &[i64]) -> Outcome<()> {
        let Statements { update, add_events, .. } = &self.statements;
        let (of, seqs, events) = events(keys, &[1]);
        self.in_one_commit(&[(update, &[&keys]), (add_events, &[&of, &seqs, &events])]).await
    }

    async fn receive(&self, keys: &[i64]) -> Outcome<()> {
        let Statements { update, add_messages, .. } = &self.statements;
        let (of, seqs, events) = events(keys, &[1]);
        self.in_one_commit(&[(update, &[&keys]), (add_messages, &[&of, &seqs, &events])]).await
    }

    async fn finish(&self, keys: &[i64]) -> Outcome<()> {
        let Statements { update, add_events, consume, .. } = &self.statements;
        let (of, seqs, events) = events(keys, &[2, 3]);
        let through = vec![1_i64; keys.len()];
        self.in_one_commit(&[(update, &[&keys]), (add_events, &[&of, &seqs, &events]), (consume, &[&keys, &through])])
            .await
    }
}

/// The columns of these events of each instance.
fn events(keys: &[i64], seqs: &[i64]) -> (Vec<i64>, Vec<i64>, Vec<&'static str>) {
    let of: Vec<_> = keys.iter().flat_map(|key| seqs.iter().map(|_| *key)).collect();
    let seqs = keys.iter().flat_map(|_| seqs.iter().copied()).collect();
    let bodies = vec![EVENT; of.len()];
    (of, seqs, bodies)
}

impl Statements {
    async fn prepare(client: &Client) -> Outcome<Self> {
        let rows = "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::text[])";
        let insert = async |table: &str| client.prepare(&format!("INSERT INTO {table} {rows}")).await;
        Ok(Self {
            begin: client.prepare("BEGIN").await?,
            commit: client.prepare("COMMIT").await?,
            create: client
                .prepare("INSERT INTO instances SELECT key, id, 0, body FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (key, id, body)")
                .await?,
            update: client.prepare("UPDATE instances SET turn = turn + 1 WHERE key = ANY($1::bigint[])").await?,
            add_events: insert("history").await?,
            end_calls: client
                .prepare("DELETE FROM activities a USING unnest($1::bigint[], $2::bigint[]) AS u (key, call) WHERE a.key = u.key AND a.call = u.call")
                .await?,
            add_calls: insert("activities").await?,
            add_messages: insert("inbox").await?,
            consume: client
                .prepare("DELETE FROM inbox m USING unnest($1::bigint[], $2::bigint[]) AS u (key, through) WHERE m.key = u.key AND m.seq <= u.through")
                .await?,
        })
    }
}

impl Ceiling for BarePostgres {
    fn single_commits(&mut self, count: usize) -> Outcome<Latencies> {
        wait_for(async {
            let keys = self.create(1).await?;
            let mut times = Latencies::default();
            for turn in 1..=count as i64 {
                let begun = Instant::now();
                self.step(&keys, turn).await?;
                times.push(begun.elapsed());
            }
            Ok(times)
        })
    }

    fn steps(&mut self, producers: i64, time: Duration) -> Outcome<(f64, f64)> {
        wait_for(async {
            let (mut wall, mut cpu_us, mut steps) = (Duration::ZERO, 0.0, 0.0);
            while wall < time {
                let keys = self.create(producers).await?;
                let begun = Usage::now();
                for turn in 1..=STEPS {
                    self.step(&keys, turn).await?;
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
        wait_for(async {
            let keys: Vec<_> = (self.next_key..self.next_key + count).collect();
            self.next_key += count;
            let group = usize::try_from(group)?.max(1);
            let begun = Instant::now();
            for keys in keys.chunks(group) {
                self.insert(keys).await?;
                self.park(keys).await?;
            }
            let parks = count as f64 / begun.elapsed().as_secs_f64();
            let begun = Instant::now();
            for keys in keys.chunks(group) {
                self.receive(keys).await?;
                self.finish(keys).await?;
            }
            Ok((parks, count as f64 / begun.elapsed().as_secs_f64()))
        })
    }

    fn server(&self) -> Option<u32> {
        self.server
    }
}

impl Drop for BarePostgres {
    fn drop(&mut self) {
        if let Err(error) = drop_schema(&self.url, &self.schema) {
            tracing::warn!(error, schema = self.schema, "a schema of the benchmark is left behind");
        }
    }
}

#[cfg(test)]
mod tests {
    use durable_testing::PostgresServer;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_rows_of_steps_are_there_and_durable() {
        let server = PostgresServer::options().durable().start().unwrap();
        let mut bare = BarePostgres::open(server.url()).unwrap();
        let file = std::fs::read_to_string(server.home().join("data/postmaster.pid")).unwrap();
        assert_eq!(bare.server().unwrap().to_string(), file.lines().next().unwrap());
        bare.steps(3, Duration::from_nanos(1)).unwrap();
        bare.parks_and_raises_per_s(5, 2).unwrap();
        let count = async |table: &str| {
            let row = bare.client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
            row.get::<_, i64>(0)
        };
        assert_eq!(count("instances").await, 3 + 5);
        assert_eq!(count("history").await, 3 * 2 * STEPS + 5 * 3);
        assert_eq!((count("activities").await, count("inbox").await), (3, 0));
        for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
            let row = bare.client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
            assert_eq!(row.get::<_, &str>(0), "on", "{setting}");
        }
    }
}
