//! What is measured of every peer, and how: one row a process, printed as one JSON object. Each peer includes this file.
//!
//! Usage: PEER CONFIG STORE WORKLOAD SIZE SECONDS. The workloads and the names of the figures are those of the benchmark
//! (`cargo run --release -p examples --bin bench -- --help`).

use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt, TryStreamExt};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{timeout, timeout_at};

pub type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// How many instances of a population are started at once, and how many get their event at once. Ours has 1,024 for both; the
/// peers raise faster with fewer.
const STARTS: usize = 1_024;
const RAISES: usize = 32;

/// Activities that ran, for workloads that do not come to their end.
static ACTIVITIES: AtomicU64 = AtomicU64::new(0);

/// The body of every activity.
pub fn no_op() {
    ACTIVITIES.fetch_add(1, Ordering::Relaxed);
}

/// A system that is compared.
pub trait Peer: Send + Sync + 'static {
    /// An instance that waits for an event.
    type Parked: Send;

    /// Starts an instance that calls so many activities one after the other, and returns when it has ended.
    fn sequence(&self, activities: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// Starts an instance that calls so many activities at once, and returns when it has ended.
    fn fan_out(&self, activities: u64) -> impl Future<Output = Outcome<()>> + Send;

    /// As `sequence`, but returns when a client that waits for the result has it.
    fn sequence_for_client(&self, activities: u64) -> impl Future<Output = Outcome<()>> + Send {
        self.sequence(activities)
    }

    /// Starts an instance that waits for an event.
    fn park(&self) -> impl Future<Output = Outcome<Self::Parked>> + Send;

    /// Returns when all these instances wait.
    fn all_wait(&self, instances: &[Self::Parked]) -> impl Future<Output = Outcome<()>> + Send;

    /// Raises the event of an instance.
    fn raise(&self, instance: &Self::Parked) -> impl Future<Output = Outcome<()>> + Send;

    /// Returns when the instance has ended.
    fn ended(&self, instance: Self::Parked) -> impl Future<Output = Outcome<()>> + Send;
}

/// What a process measures.
#[derive(Debug)]
pub struct Cell {
    pub config: String,
    /// A directory or an address.
    pub store: String,
    workload: String,
    size: u64,
    /// How long to measure; for what has an end of its own, how long to wait for it.
    time: Duration,
}

impl Cell {
    pub fn from_args() -> Outcome<Self> {
        let args: Vec<_> = std::env::args().skip(1).collect();
        let [config, store, workload, size, seconds] =
            <[_; 5]>::try_from(args).map_err(|_| "the arguments are CONFIG STORE WORKLOAD SIZE SECONDS")?;
        let time = Duration::try_from_secs_f64(seconds.parse()?)?;
        Ok(Self { config, store, workload, size: size.parse()?, time })
    }

    /// Measures, and prints the row.
    pub async fn measure(self, system: &str, peer: impl Peer) -> Outcome<()> {
        let Self { config, workload, size, time, .. } = self;
        let figures = match workload.as_str() {
            "w1" => throughput(peer, size, time).await?,
            "w2" => one_instance(peer.fan_out(size), size, time).await?,
            "w3" => one_instance(peer.sequence(size), size, time).await?,
            "w4" => idle_latency(peer, size, time).await?,
            "w5" => population(peer, size, time).await?,
            _ => return Err("the workloads are w1 to w5".into()),
        };
        let mut row = json!({ "workload": workload, "system": system, "config": config, "size": size });
        if let (Value::Object(row), Value::Object(figures)) = (&mut row, figures) {
            row.extend(figures);
        }
        println!("{row}");
        Ok(())
    }
}

/// W1: so many clients, each of which starts an instance, waits for its end, and starts the next. The first quarter of the
/// time warms up and does not count.
async fn throughput(peer: impl Peer, clients: u64, time: Duration) -> Outcome<Value> {
    let peer = Arc::new(peer);
    let from = Instant::now() + time / 4;
    let until = Instant::now() + time;
    let mut tasks = JoinSet::new();
    for _ in 0..clients {
        let peer = Arc::clone(&peer);
        tasks.spawn(async move {
            let mut latencies = Vec::new();
            loop {
                let begun = Instant::now();
                // What has not ended by then does not count either: it would only be the slow ones.
                match timeout_at(until.into(), peer.sequence(5)).await {
                    Err(_) => return Outcome::Ok(latencies),
                    Ok(ended) => ended?,
                }
                if Instant::now() >= from {
                    latencies.push(begun.elapsed());
                }
            }
        });
    }
    let mut latencies = Vec::new();
    while let Some(task) = tasks.join_next().await {
        latencies.extend(task??);
    }
    let rate = latencies.len() as f64 / (until - from).as_secs_f64();
    let [p50, p99] = percentiles(latencies, [50, 99]);
    Ok(json!({ "orch_per_s": rate, "activities_per_s": rate * 5.0, "p50_ms": p50, "p99_ms": p99 }))
}

/// W2 and W3: one instance. What has not ended in time says how far it came.
async fn one_instance(run: impl Future<Output = Outcome<()>>, activities: u64, limit: Duration) -> Outcome<Value> {
    let begun = Instant::now();
    let ended = timeout(limit, run).await.ok().transpose()?.is_some();
    let time = begun.elapsed();
    let done = if ended { activities } else { ACTIVITIES.load(Ordering::Relaxed) };
    let rate = done as f64 / time.as_secs_f64();
    Ok(json!({ "ended": ended, "total_ms": ms(time), "activities": done, "activities_per_s": rate }))
}

/// W4: one instance after the other.
async fn idle_latency(peer: impl Peer, activities: u64, time: Duration) -> Outcome<Value> {
    let until = Instant::now() + time;
    peer.sequence_for_client(activities).await?;
    let mut latencies = Vec::new();
    while Instant::now() < until {
        let begun = Instant::now();
        peer.sequence_for_client(activities).await?;
        latencies.push(begun.elapsed());
    }
    let [p50, p99] = percentiles(latencies, [50, 99]);
    Ok(json!({ "p50_ms": p50, "p99_ms": p99 }))
}

/// W5: so many instances that wait for an event, and then get it.
async fn population(peer: impl Peer, instances: u64, limit: Duration) -> Outcome<Value> {
    let end = Instant::now() + limit;
    let memory = resident()?;
    let begun = Instant::now();
    let parking = pin!(park_all(&peer, instances));
    let Ok(parked) = timeout_at(end.into(), parking).await else { return Ok(json!({ "ended": false })) };
    let (parked, park) = (parked?, begun.elapsed());
    let each = (resident()? - memory) / instances as f64;

    let begun = Instant::now();
    let ended = timeout_at(end.into(), raise_all(&peer, parked)).await.ok().transpose()?.is_some();
    let raise = begun.elapsed();
    let mut figures = json!({ "ended": ended, "bytes_per_instance": each });
    figures["park_per_s"] = json!(instances as f64 / park.as_secs_f64());
    if ended {
        figures["raise_per_s"] = json!(instances as f64 / raise.as_secs_f64());
    }
    Ok(figures)
}

async fn park_all<P: Peer>(peer: &P, instances: u64) -> Outcome<Vec<P::Parked>> {
    let starts = stream::iter(0..instances).map(|_| peer.park());
    let parked: Vec<_> = starts.buffer_unordered(STARTS).try_collect().await?;
    peer.all_wait(&parked).await?;
    Ok(parked)
}

async fn raise_all<P: Peer>(peer: &P, parked: Vec<P::Parked>) -> Outcome<()> {
    let raises = stream::iter(&parked).map(|instance| peer.raise(instance));
    raises.buffer_unordered(RAISES).try_collect::<()>().await?;
    for instance in parked {
        peer.ended(instance).await?;
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// In milliseconds; nothing where nothing was measured.
fn percentiles<const N: usize>(mut times: Vec<Duration>, wanted: [usize; N]) -> [Option<f64>; N] {
    times.sort_unstable();
    wanted.map(|percent| times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().map(ms))
}

/// The memory of this process that is in use, in bytes.
fn resident() -> Outcome<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.trim_end_matches("kB").trim().parse::<f64>()? * 1024.0)
}
