//! What the engine asks of a PostgreSQL server: how often an idle worker does, and what a step costs. The server counts.
#![cfg(all(feature = "postgres", unix))]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "support/round_trips.rs"]
mod round_trips;

use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::backend::postgres::Postgres;
use durable_core::backend::{Backend, Write};
use durable_core::engine::Clock;
use durable_core::hub::TaskHubBuilder;
use durable_core::model::Timestamp;
use durable_core::prelude::*;
use durable_testing::{PostgresServer, VirtualClock};
use futures_util::future::join_all;
use tokio::sync::watch;
use tokio_postgres::{Client, NoTls};

use self::round_trips::RoundTrips;

/// No heartbeat falls into a test by itself.
const BEAT: Duration = Duration::from_secs(3600);

#[orchestrator]
async fn steps(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    let mut sum = 0;
    for _ in 0..n {
        sum = ctx.call_activity(add_one, sum).await?;
    }
    Ok(sum)
}

#[activity]
async fn add_one(_ctx: ActivityContext, n: u64) -> Result<u64, ActivityError> {
    Ok(n + 1)
}

#[orchestrator]
async fn waits(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.wait_for_external_event("go").await
}

#[orchestrator]
async fn sleeps(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ctx.create_timer(Duration::from_secs(365 * 24 * 3600)).await;
    Ok(())
}

/// A server that writes all statements to its log, and has no transactions but those of its clients.
fn server() -> PostgresServer {
    let options = PostgresServer::options().set("log_statement", "all").set("log_line_prefix", "%a:");
    options.set("autovacuum", "off").start().unwrap()
}

/// A worker whose connections have its name.
async fn worker(url: &str, name: &str, clock: impl Clock) -> TaskHub {
    let store = Postgres::connect(&format!("{url}?application_name={name}")).await.unwrap();
    let hub: TaskHubBuilder = TaskHub::builder().backend(store).heartbeat_interval(BEAT).clock(clock);
    hub.orchestrator(steps).orchestrator(waits).orchestrator(sleeps).activity(add_one).start().await.unwrap()
}

/// What the workers have asked of the server until now, with who it was. A statement is in the log before it is carried out.
fn statements(server: &PostgresServer) -> Vec<(String, String)> {
    let log = std::fs::read_to_string(server.log()).unwrap();
    let mut found: Vec<(String, String)> = Vec::new();
    let mut is_statement = false;
    for line in log.lines() {
        match (line.strip_prefix('\t'), line.split_once(":LOG:  ")) {
            // A statement has several lines.
            (Some(more), _) if is_statement => {
                let (_, text) = found.last_mut().unwrap();
                text.push(' ');
                text.push_str(more.trim());
            }
            (None, Some((who, what))) if what.starts_with("execute ") || what.starts_with("statement: ") => {
                let (_, text) = what.split_once(": ").unwrap();
                found.push((who.to_owned(), text.to_owned()));
                is_statement = true;
            }
            (Some(_), _) => {}
            _ => is_statement = false,
        }
    }
    found.retain(|(who, _)| who.starts_with("worker"));
    found
}

/// A clock that knows when the worker has nothing to do until its next heartbeat.
#[derive(Clone)]
struct BeatClock {
    clock: VirtualClock,
    next_beat: Arc<watch::Sender<Timestamp>>,
}

impl BeatClock {
    fn new() -> Self {
        Self { clock: VirtualClock::new(), next_beat: Arc::new(watch::Sender::new(Timestamp::UNIX_EPOCH)) }
    }

    /// Has the next heartbeat happen, and waits until the worker has done with it.
    async fn beat(&self) {
        self.rest().await;
        self.clock.advance(BEAT);
        self.rest().await;
    }

    async fn rest(&self) {
        let next = self.clock.now().saturating_add(BEAT);
        self.next_beat.subscribe().wait_for(|beat| *beat >= next).await.unwrap();
    }
}

impl Clock for BeatClock {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        if deadline == self.now().saturating_add(BEAT) {
            self.next_beat.send_replace(deadline);
        }
        self.clock.sleep_until(deadline)
    }
}

#[tokio::test]
async fn an_idle_worker_makes_one_statement_for_each_heartbeat() {
    let server = server();
    let clocks = [(); 3].map(|()| BeatClock::new());
    let mut workers = Vec::new();
    for (n, clock) in clocks.iter().enumerate() {
        workers.push(worker(server.url(), &format!("worker{n}"), clock.clone()).await);
    }
    // Idle is who has instances that wait, clients that wait for them at other workers, and had a colleague that is gone.
    worker(server.url(), "worker3", VirtualClock::new()).await.shutdown().await.unwrap();
    workers[0].client().start(waits, ()).id("event").await.unwrap();
    workers[1].client().start(sleeps, ()).id("timer").await.unwrap();
    let mut clients = Vec::new();
    for worker in &workers {
        for id in ["event", "timer"] {
            let instance = worker.client().instance::<serde_json::Value, _>(id).unwrap();
            instance.wait_for_start().await.unwrap();
            clients.push(tokio::spawn(async move { instance.wait().await }));
        }
    }
    let round = async || {
        let before = statements(&server).len();
        join_all(clocks.iter().map(BeatClock::beat)).await;
        statements(&server).split_off(before)
    };
    // What the workers began before ends at some time within these rounds.
    let mut quiet = 0;
    let mut last = Vec::new();
    for _ in 0..100 {
        let begin = |(who, what): (String, String)| (who, what.chars().take(60).collect::<String>());
        last = round().await.into_iter().map(begin).collect();
        last.sort();
        let who = last.iter().map(|(who, _)| who.as_str());
        let is_quiet = who.eq(["worker0", "worker1", "worker2"])
            && last.iter().all(|(_, what)| what.contains("UPDATE workers SET lease_until"));
        quiet = if is_quiet { quiet + 1 } else { 0 };
        if quiet == 10 {
            break;
        }
    }
    assert_eq!(quiet, 10, "each does more than one thing for each heartbeat: {last:#?}");
    assert!(!clients.iter().any(tokio::task::JoinHandle::is_finished), "the clients wait");
    workers[0].client().raise_event(&InstanceId::new("event").unwrap(), "go", "now").await.unwrap();
    for (n, client) in clients.into_iter().enumerate() {
        if n % 2 == 0 {
            assert!(client.await.unwrap().unwrap().runtime_status.is_terminal());
        }
    }
}

/// What was counted until a moment.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Counts {
    round_trips: u64,
    commits: u64,
    /// The numbers that the server has given to transactions which write.
    writers: u64,
}

impl Counts {
    fn since(self, before: Self) -> Self {
        Self {
            round_trips: self.round_trips - before.round_trips,
            commits: self.commits - before.commits,
            writers: self.writers - before.writers,
        }
    }

    fn min(self, other: Self) -> Self {
        Self {
            round_trips: self.round_trips.min(other.round_trips),
            commits: self.commits.min(other.commits),
            writers: self.writers.min(other.writers),
        }
    }
}

async fn counts(server: &PostgresServer, trips: &RoundTrips, observer: &Client) -> Counts {
    let round_trips = trips.count().await;
    let sql = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint";
    let writers: i64 = observer.query_one(sql, &[]).await.unwrap().get(0);
    let commits = statements(server).iter().filter(|(_, what)| what == "COMMIT").count();
    Counts { round_trips, commits: commits as u64, writers: writers.cast_unsigned() }
}

/// One thread, so that what a connection sends together goes out together.
#[tokio::test(flavor = "current_thread")]
async fn a_step_costs_two_round_trips_and_one_commit() {
    let server = server();
    let trips = RoundTrips::before(server.home().to_owned());
    let (observer, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let hub = worker(&trips.url(), "worker0", BeatClock::new()).await;
    let other = worker(&trips.url(), "worker1", BeatClock::new()).await;
    let run = async |n: u64| {
        let before = counts(&server, &trips, &observer).await;
        assert_eq!(hub.client().start(steps, n).await.unwrap().output().await.unwrap(), n);
        counts(&server, &trips, &observer).await.since(before)
    };
    // At first, statements are prepared, and the workers hear of each other.
    run(5).await;
    let (few, many) = (run(10).await, run(60).await);
    // What else happens at the same time, once, is in one of these runs only.
    let few = few.min(run(10).await).min(run(10).await);
    let many = many.min(run(60).await).min(run(60).await);
    let budget = Counts { round_trips: 2 * 50, commits: 50, writers: 50 };
    assert_eq!(many.since(few), budget, "of 50 steps more: {few:?}, {many:?}");
    other.shutdown().await.unwrap();
    hub.shutdown().await.unwrap();
}

/// The calls that the dead have left behind are looked for at every claim: nothing is read for that while nobody is dead.
#[tokio::test]
async fn a_claim_reads_no_calls_of_the_living() {
    let server = server();
    let store = Postgres::connect(&format!("{}?application_name=worker0", server.url())).await.unwrap();
    let worker = store.attach("test", BEAT).await.unwrap().worker;
    let (observer, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let fill = "SET search_path = durable;
        INSERT INTO activities SELECT key, call, 'pack', '1', NULL, NULL, 1, call, 1, 0
            FROM generate_series(1, 20) AS key, generate_series(1, 1000) AS call";
    observer.batch_execute(fill).await.unwrap();
    let claim = Write::ClaimActivities { worker, first_claim: 1, limit: 10, runs: None };
    store.commit(Arc::new(vec![claim])).await.unwrap();
    let sweep = statements(&server).into_iter().map(|(_, what)| what).find(|what| what.contains("SET swept"));
    // As the store plans it.
    let plan =
        "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off;
        SET jit = off";
    observer.batch_execute(plan).await.unwrap();
    let explain = format!("EXPLAIN (ANALYZE, COSTS OFF) {}", sweep.unwrap());
    // The tables may have been empty when the statement was planned.
    for what_the_planner_knows in ["", "ANALYZE activities, workers"] {
        observer.batch_execute(what_the_planner_knows).await.unwrap();
        let rows = observer.query(&explain, &[]).await.unwrap();
        let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
        let is_scan = |line: &&String| line.contains("Scan") && line.contains(" activities");
        let scans: Vec<_> = plan.iter().filter(is_scan).collect();
        let idle = scans.iter().filter(|line| line.contains("never executed")).count();
        assert!(idle > 0 && idle == scans.len(), "{plan:#?}");
    }
}

/// A heartbeat writes one row, and no index: so its old versions go away without a vacuum.
#[tokio::test]
async fn a_heartbeat_touches_no_index() {
    let server = server();
    let store = Postgres::connect(server.url()).await.unwrap();
    store.attach("test", BEAT).await.unwrap();
    let (mut observer, connection) = tokio_postgres::connect(server.url(), NoTls).await.unwrap();
    tokio::spawn(connection);
    let beat = observer.transaction().await.unwrap();
    beat.batch_execute("UPDATE durable.workers SET lease_until = lease_until + 1").await.unwrap();
    let sql = "SELECT pg_stat_get_xact_tuples_hot_updated('durable.workers'::regclass)";
    assert_eq!(beat.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 1);
}
