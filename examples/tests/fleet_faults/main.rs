//! Three workers on one database under load, while they are killed, stopped beyond their lease, cut off and drained, and the
//! server crashes: what was accepted completes, and no two of them ever act for the same instance at the same time.
//!
//! `DURABLE_FLEET_SECONDS` makes the test longer than it is in the everyday loop; `DURABLE_FLEET_SEED` repeats the faults of a
//! run that printed it, as far as the machine does.

#![expect(clippy::print_stderr, reason = "a run that nobody can repeat tells what it did")]
#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

#[path = "../support/dice.rs"]
mod dice;
mod fleet;
mod functions;
mod load;
#[path = "../support/mod.rs"]
#[expect(dead_code, reason = "this test needs a part of it")]
mod support;
mod trace;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use dice::Dice;
use durable_testing::PostgresServer;
use fleet::{Recipe, SCHEMA, URL, Worker};
use load::{Job, Load};
use trace::Observer;

const HEARTBEAT: Duration = Duration::from_millis(300);
const LEASE: Duration = Duration::from_millis(900);
const CALLERS: u64 = 16;
const THOUSAND: u64 = 1_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

/// True in a process that is a worker; it comes here when the worker has ended.
async fn was_worker() -> bool {
    let (Ok(url), Ok(schema)) = (std::env::var(URL), std::env::var(SCHEMA)) else { return false };
    functions::serve(&url, &schema).await;
    true
}

/// The workers, and what they said before they were replaced.
struct Fleet {
    recipe: Recipe,
    workers: Vec<Worker>,
    generation: u32,
    said: BTreeMap<String, usize>,
    loudest: (usize, String),
}

impl Fleet {
    fn start(recipe: Recipe) -> Self {
        let first = |n| Worker::start(&recipe, &format!("w{n}.0")).unwrap();
        let workers = vec![first(0)];
        Self { recipe, workers, generation: 0, said: BTreeMap::new(), loudest: (0, String::new()) }
    }

    fn add(&mut self) {
        let name = format!("w{}.0", self.workers.len());
        self.workers.push(Worker::start(&self.recipe, &name).unwrap());
    }

    fn bases(&self) -> Vec<String> {
        self.workers.iter().map(|worker| worker.base.clone()).collect()
    }

    /// Puts another process in the place of one that has ended.
    fn replace(&mut self, at: usize) {
        self.listen(at);
        self.generation += 1;
        let name = format!("w{at}.{}", self.generation);
        let next = (0..5).find_map(|_| Worker::start(&self.recipe, &name));
        self.workers[at] = next.expect("a worker starts when the server is there");
    }

    fn listen(&mut self, at: usize) {
        let worker = &self.workers[at];
        let complaints = worker.complaints();
        let count = complaints.values().sum();
        if count > self.loudest.0 {
            self.loudest = (count, format!("{}: {complaints:#?}", worker.name));
        }
        for (text, count) in complaints {
            *self.said.entry(text).or_insert(0) += count;
        }
    }
}

/// One fault, and what it was.
async fn fault(fleet: &mut Fleet, server: &mut PostgresServer, dice: &mut Dice) -> String {
    let at = usize::try_from(dice.below(fleet.workers.len() as u64)).unwrap();
    let name = fleet.workers[at].name.clone();
    match dice.below(10) {
        0..=2 => {
            fleet.workers[at].kill();
            tokio::time::sleep(Duration::from_millis(dice.below(2_000))).await;
            fleet.replace(at);
            format!("killed {name}")
        }
        3..=5 => {
            let pause = LEASE * u32::try_from(1 + dice.below(30)).unwrap() / 10;
            fleet.workers[at].signal("STOP");
            tokio::time::sleep(pause).await;
            fleet.workers[at].signal("CONT");
            format!("stopped {name} for {pause:?}")
        }
        6 => {
            let status = fleet.workers[at].finish();
            assert!(status.success(), "{name}: {status}\n{}", fleet.workers[at].log().join("\n"));
            fleet.replace(at);
            format!("drained {name}")
        }
        7 => {
            let observer = Observer::connect(server.url(), &fleet.recipe.schema).await;
            let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
            let cut: i64 = observer.client.query_one(sql, &[&name]).await.unwrap().get(0);
            format!("cut {cut} connections of {name}")
        }
        _ => {
            let crashes = dice.below(3) > 0;
            let begin = Instant::now();
            tokio::task::block_in_place(|| if crashes { server.crash() } else { server.restart() }).unwrap();
            format!("{} the server in {:?}", if crashes { "crashed" } else { "restarted" }, begin.elapsed())
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_lose_nothing_and_nobody_acts_for_another() {
    if was_worker().await {
        return;
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let seed = setting("DURABLE_FLEET_SEED", u64::from(now.subsec_nanos()));
    let time = Duration::from_secs(setting("DURABLE_FLEET_SECONDS", 15));
    eprintln!("DURABLE_FLEET_SEED={seed}");
    let mut server = PostgresServer::start().unwrap();
    let url = server.url().to_owned();
    let mut fleet = Fleet::start(Recipe {
        test: "faults_lose_nothing_and_nobody_acts_for_another",
        url: url.clone(),
        schema: "fleet".to_owned(),
        heartbeat: HEARTBEAT,
    });
    Observer::connect(&url, "fleet").await.install().await;
    fleet.add();
    fleet.add();

    let load = Load::new(fleet.bases());
    let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(load.clone().call(Dice(seed ^ (n + 1) << 32)))).collect();
    let (mut dice, begin, mut faults) = (Dice(seed), Instant::now(), 0);
    while begin.elapsed() < time {
        tokio::time::sleep(Duration::from_millis(300 + dice.below(1_500))).await;
        let what = fault(&mut fleet, &mut server, &mut dice).await;
        eprintln!("{:5.1} s: {what}", begin.elapsed().as_secs_f64());
        *load.bases.lock().unwrap() = fleet.bases();
        faults += 1;
        assert!(!callers.iter().any(tokio::task::JoinHandle::is_finished), "a caller has given up");
    }
    load.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    let observer = Observer::connect(&url, "fleet").await;
    observer.quiet(Duration::from_secs(30)).await;
    let accepted = load.accepted.lock().unwrap().clone();
    observer.check(&accepted).await;
    observer.tell().await;
    eprintln!(
        "{faults} faults; {} accepted, {} awaited, the longest for {:?}",
        accepted.len(),
        load.awaited.load(Ordering::Relaxed),
        load.longest.lock().unwrap()
    );
    (0..3).for_each(|at| fleet.listen(at));
    eprintln!("what the workers complained of: {:#?}", fleet.said);
    for never in ["panicked", "stalled", "poison", "cannot be read"] {
        assert!(!fleet.said.keys().any(|text| text.contains(never)), "nobody has to say '{never}'");
    }
    // A process hears of some of the faults, and has a few things to say about each.
    let (most, loudest) = &fleet.loudest;
    assert!(*most < 10 + 4 * faults, "{faults} faults made one process say {most} things: {loudest}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_instances_of_a_dead_worker_are_taken_over_within_its_lease_and_a_heartbeat() {
    if was_worker().await {
        return;
    }
    let heartbeat = Duration::from_secs(1);
    let server = PostgresServer::start().unwrap();
    let url = server.url().to_owned();
    let mut fleet = Fleet::start(Recipe {
        test: "a_thousand_instances_of_a_dead_worker_are_taken_over_within_its_lease_and_a_heartbeat",
        url: url.clone(),
        schema: "fleet".to_owned(),
        heartbeat,
    });
    let observer = Observer::connect(&url, "fleet").await;
    observer.install().await;
    let load = Load::new(fleet.bases());
    each(&load, |load, n| async move {
        let (id, input) = (format!("ask-{n}"), "null".to_owned());
        load.start(&mut Dice(n), &Job { id, name: "ask", input, output: "7".to_owned() }).await;
    })
    .await;
    fleet.add();
    fleet.add();
    let killed: SystemTime = observer.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    fleet.workers[0].kill();
    *load.bases.lock().unwrap() = fleet.bases().split_off(1);
    // From now on, each of them has something to do.
    each(&load, |load, n| async move { load.raise(&mut Dice(n), &format!("ask-{n}"), &["A"]).await }).await;
    let raised: SystemTime = observer.client.query_one("SELECT clock_timestamp()", &[]).await.unwrap().get(0);
    let taken = "SELECT count(*), max(at)
        FROM (SELECT min(at) AS at FROM trace WHERE new_epoch > old_epoch AND new_owner IS NOT NULL GROUP BY key) AS t";
    let last = loop {
        let row = observer.client.query_one(taken, &[]).await.unwrap();
        if u64::try_from(row.get::<_, i64>(0)).unwrap() == THOUSAND {
            break row.get::<_, SystemTime>(1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let took = last.duration_since(killed).unwrap();
    let after = raised.duration_since(killed).unwrap();
    eprintln!("a thousand instances were taken over in {took:?}; their messages had come after {after:?}");
    each(&load, |load, n| async move { load.raise(&mut Dice(n), &format!("ask-{n}"), &["B", "C"]).await }).await;
    observer.quiet(Duration::from_secs(60)).await;
    let accepted = load.accepted.lock().unwrap().clone();
    observer.check(&accepted).await;
    assert!(took.max(after) < after.max(3 * heartbeat) + heartbeat, "{took:?}");
}

/// Does something a thousand times, a few at once.
async fn each<F: Future<Output = ()> + Send>(
    load: &Arc<Load>,
    act: impl Fn(Arc<Load>, u64) -> F + Copy + Send + 'static,
) {
    let actors = (0..CALLERS).map(|first| {
        let load = Arc::clone(load);
        tokio::spawn(async move {
            for n in (first..THOUSAND).step_by(usize::try_from(CALLERS).unwrap()) {
                act(Arc::clone(&load), n).await;
            }
        })
    });
    for actor in actors.collect::<Vec<_>>() {
        actor.await.unwrap();
    }
}

/// A process that is stopped in the middle of a transaction has locks, which its connection keeps.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_stops_within_a_transaction_holds_the_others_up_for_moments() {
    if was_worker().await {
        return;
    }
    let server = PostgresServer::start().unwrap();
    let url = server.url().to_owned();
    let mut fleet = Fleet::start(Recipe {
        test: "a_worker_that_stops_within_a_transaction_holds_the_others_up_for_moments",
        url: url.clone(),
        schema: "fleet".to_owned(),
        heartbeat: HEARTBEAT,
    });
    let observer = Observer::connect(&url, "fleet").await;
    observer.install().await;
    fleet.add();
    fleet.add();
    let load = Load::new(fleet.bases());
    let callers: Vec<_> = (0..CALLERS).map(|n| tokio::spawn(load.clone().call(Dice(n)))).collect();
    let in_transaction = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'w0.0'
        AND state = 'idle in transaction' AND state_change < clock_timestamp() - interval '50 ms'";
    loop {
        tokio::time::sleep(Duration::from_millis(150)).await;
        fleet.workers[0].signal("STOP");
        tokio::time::sleep(Duration::from_millis(100)).await;
        if observer.client.query_one(in_transaction, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            break;
        }
        fleet.workers[0].signal("CONT");
    }
    *load.longest.lock().unwrap() = Duration::ZERO;
    *load.bases.lock().unwrap() = fleet.bases().split_off(1);
    tokio::time::sleep(Duration::from_secs(12)).await;
    load.is_over.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    fleet.workers[0].signal("CONT");
    observer.quiet(Duration::from_secs(30)).await;
    let accepted = load.accepted.lock().unwrap().clone();
    observer.check(&accepted).await;
    let longest = *load.longest.lock().unwrap();
    eprintln!("the longest wait was {longest:?}");
    (0..3).for_each(|at| fleet.listen(at));
    eprintln!("{:#?}", fleet.said);
    assert!(longest < Duration::from_secs(6), "{longest:?}");
}
