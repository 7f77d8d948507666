//! Worker processes that share a store: each has a task hub of its own, and clients of its own.
//!
//! The process that measures tells each of them, on its standard input, what its clients are to do; each tells on its standard
//! output when that is done, and what its commits have brought about meanwhile.

use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use durable_core::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines, Stdin};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::mpsc;

use super::acknowledged::Acknowledged;
use super::counted::{Counts, Seen};
use super::crowd::crowd;
use super::latencies::Latencies;
use super::sequence::{self, Budget};
use super::store::Store;
use super::usage::Usage;
use super::verdict::NOT_MEASURED;
use super::{Outcome, functions, hub};

/// How often a worker tells of its commits at most.
const PAUSE: Duration = Duration::from_millis(5);

/// How many worker processes share the store.
#[derive(Debug, Args)]
pub(super) struct Shared {
    /// How many worker processes share the store, each with its share of the clients; instead of a hub in this process. For
    /// PostgreSQL only.
    #[arg(long, value_delimiter = ',', value_name = "N")]
    pub(super) workers: Vec<u64>,
}

/// What the clients of a worker are to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Order {
    /// Sequences of W1, by so many clients: so many of them in all, or for so many seconds.
    Sequences { clients: u64, count: Option<u64>, seconds: f64 },
    /// A fan-out of W2.
    FanOut { width: u32 },
    /// Starts instances that wait for an event, with these numbers.
    Park { numbers: (u64, u64), at_once: u64 },
    /// Raises their event.
    Raise { numbers: (u64, u64), at_once: u64 },
    /// Nothing: it only tells what it has used.
    Nothing,
}

/// What a worker tells.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Done(Done),
    Seen(Seen),
}

/// What an order came to, and what the process has used since it began.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Done {
    latencies: Vec<Duration>,
    /// Processor time of all its threads, where the system tells it.
    cpu: Option<Duration>,
    pub(super) errors: u64,
}

/// What one of so many workers has of a number that they share.
pub(super) fn share(all: u64, workers: u64, worker: u64) -> u64 {
    all * (worker + 1) / workers - all * worker / workers
}

/// The worker processes.
pub(super) struct Crew {
    workers: Vec<(Child, ChildStdin)>,
    told: mpsc::UnboundedReceiver<Outcome<(usize, Told)>>,
    seen: Vec<Seen>,
}

impl Crew {
    /// Starts so many workers on a store, and returns when all run.
    pub(super) async fn start(count: u64, store: &Store) -> Outcome<Self> {
        if count == 0 {
            return Err("there is at least one worker".into());
        }
        let (url, schema) = store.schema()?;
        let (tell, told) = mpsc::unbounded_channel();
        let mut workers = Vec::new();
        for number in 0..usize::try_from(count)? {
            let mut program = Command::new(std::env::current_exe()?);
            program.args(["part", "worker", "--url", url, "--schema", schema]).args(store.to_args());
            program.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
            let mut child = program.spawn()?;
            let (orders, out) = child.stdin.take().zip(child.stdout.take()).ok_or("a worker has no pipes")?;
            tokio::spawn(listen(number, BufReader::new(out).lines(), tell.clone()));
            workers.push((child, orders));
        }
        let seen = vec![Seen::default(); workers.len()];
        let mut crew = Self { workers, told, seen };
        crew.all(|_| Order::Nothing).await?;
        Ok(crew)
    }

    /// Has each worker carry out an order, and waits for all of them.
    pub(super) async fn all(&mut self, order: impl Fn(u64) -> Order) -> Outcome<Vec<Done>> {
        let orders = (0..self.workers.len()).map(|number| (number, order(number as u64))).collect();
        self.carry_out(orders).await
    }

    /// Has one worker carry out an order.
    pub(super) async fn one(&mut self, number: usize, order: Order) -> Outcome<Done> {
        let done = self.carry_out(vec![(number, order)]).await?;
        done.into_iter().next().ok_or_else(|| "there is no such worker".into())
    }

    async fn carry_out(&mut self, orders: Vec<(usize, Order)>) -> Outcome<Vec<Done>> {
        for (number, order) in &orders {
            let (_, input) = self.workers.get_mut(*number).ok_or("there is no such worker")?;
            input.write_all(format!("{}\n", serde_json::to_string(order)?).as_bytes()).await?;
            input.flush().await?;
        }
        let mut all = Vec::new();
        while all.len() < orders.len() {
            all.extend(self.next().await?);
        }
        Ok(all)
    }

    /// Waits until the commits of all together have brought about so much.
    pub(super) async fn until(&mut self, reached: impl Fn(&Seen) -> bool) -> Outcome<()> {
        while !reached(&self.seen()) {
            self.next().await?;
        }
        Ok(())
    }

    async fn next(&mut self) -> Outcome<Option<Done>> {
        match self.told.recv().await.ok_or("the workers are gone")?? {
            (number, Told::Seen(seen)) => {
                self.seen[number] = seen;
                Ok(None)
            }
            (_, Told::Done(done)) => Ok(Some(done)),
        }
    }

    /// What the commits of all together have brought about, as far as they have told.
    pub(super) fn seen(&self) -> Seen {
        self.seen.iter().copied().fold(Seen::default(), Seen::plus)
    }

    /// What one worker's commits have.
    pub(super) fn seen_by(&self, number: usize) -> Seen {
        self.seen.get(number).copied().unwrap_or_default()
    }

    /// What all together have used.
    pub(super) async fn used(&mut self) -> Outcome<Done> {
        let all = self.all(|_| Order::Nothing).await?.into_iter();
        let plus = |sum: Done, done: Done| Done {
            latencies: Vec::new(),
            cpu: sum.cpu.zip(done.cpu).map(|(one, other)| one + other),
            errors: sum.errors + done.errors,
        };
        all.reduce(plus).ok_or_else(|| "there are no workers".into())
    }

    /// Has all hubs shut down in order.
    pub(super) async fn end(self) -> Outcome<()> {
        for (mut child, orders) in self.workers {
            drop(orders);
            let status = child.wait().await?;
            if !status.success() {
                return Err(format!("a worker ended with {status}").into());
            }
        }
        Ok(())
    }
}

impl Done {
    pub(super) fn latencies(self) -> Latencies {
        self.latencies.into_iter().collect()
    }

    /// Those of all workers.
    pub(super) fn latencies_of(all: Vec<Self>) -> Latencies {
        all.into_iter().flat_map(|done| done.latencies).collect()
    }

    /// Microseconds of processor time for each of `count` things, since it was `before`.
    pub(super) fn cpu_us_each(&self, before: &Self, count: f64) -> f64 {
        let spent = self.cpu.zip(before.cpu).map(|(later, earlier)| later.saturating_sub(earlier));
        spent.map_or(NOT_MEASURED, |cpu| cpu.as_secs_f64() * 1e6 / count)
    }
}

/// Passes on what a worker tells. The end of its output matters to whoever waits for it.
async fn listen(
    number: usize,
    mut lines: Lines<BufReader<ChildStdout>>,
    tell: mpsc::UnboundedSender<Outcome<(usize, Told)>>,
) {
    loop {
        let told = match lines.next_line().await {
            Ok(Some(line)) => serde_json::from_str(&line).map(|told| (number, told)).map_err(Into::into),
            Ok(None) => Err("a worker has ended".into()),
            Err(error) => Err(error.into()),
        };
        let is_end = told.is_err();
        if tell.send(told).is_err() || is_end {
            return;
        }
    }
}

/// The part that is a worker, until its standard input ends.
#[derive(Debug, Args)]
pub(super) struct Worker {
    #[arg(long)]
    url: String,
    #[arg(long)]
    schema: String,
}

impl Worker {
    pub(super) async fn run(self, acknowledged: Option<&Acknowledged>) -> Outcome<()> {
        let store = Store::of_another(self.url, self.schema, acknowledged);
        let hub = hub(&store)?.start().await?;
        let client = store.client(&hub);
        let (tell, mut told) = mpsc::unbounded_channel::<Told>();
        let printer = tokio::spawn(async move {
            let mut out = tokio::io::stdout();
            while let Some(told) = told.recv().await {
                out.write_all(format!("{}\n", serde_json::to_string(&told)?).as_bytes()).await?;
                out.flush().await?;
            }
            Outcome::Ok(())
        });
        let watcher = tokio::spawn(tell_what_is_seen(Arc::clone(&store.counts), tell.clone()));
        let mut orders: Lines<BufReader<Stdin>> = BufReader::new(tokio::io::stdin()).lines();
        let begun = Usage::now();
        while let Some(order) = orders.next_line().await? {
            let latencies = carry_out(&client, serde_json::from_str(&order)?).await?;
            let (cpu, errors) = (begun.spent().cpu, store.counts.errors());
            // What the order has brought about is told before its end.
            tell.send(Told::Seen(store.counts.seen()))?;
            tell.send(Told::Done(Done { latencies: latencies.into_times(), cpu, errors }))?;
        }
        watcher.abort();
        hub.shutdown().await?;
        drop(tell);
        // Whoever has listened may be gone.
        let _ = watcher.await;
        printer.await?
    }
}

async fn tell_what_is_seen(counts: Arc<Counts>, tell: mpsc::UnboundedSender<Told>) {
    let mut last = counts.seen();
    loop {
        counts.until(|seen| *seen != last).await;
        last = counts.seen();
        if tell.send(Told::Seen(last)).is_err() {
            return;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

fn id(number: u64) -> String {
    format!("parked-{number}")
}

async fn carry_out(client: &Client, order: Order) -> Outcome<Latencies> {
    let client = client.clone();
    match order {
        Order::Sequences { clients, count, seconds } => {
            let until = Instant::now() + Duration::try_from_secs_f64(seconds)?;
            sequence::run(&client, clients, count.map_or(Budget::Until(until), Budget::Count)).await
        }
        Order::FanOut { width } => {
            let begun = Instant::now();
            client.start(functions::fan_out, width).await?.output().await?;
            Ok([begun.elapsed()].into_iter().collect())
        }
        Order::Park { numbers: (from, to), at_once } => {
            let work = move |number| {
                let client = client.clone();
                async move {
                    let begun = Instant::now();
                    client.start(functions::wait_for_event, ()).id(id(from + number)).await?;
                    Ok(begun.elapsed())
                }
            };
            Ok(crowd(to - from, at_once, work).await?.into_iter().collect())
        }
        Order::Raise { numbers: (from, to), at_once } => {
            let work = move |number| {
                let client = client.clone();
                async move {
                    let begun = Instant::now();
                    client.raise_event(&InstanceId::try_from(id(from + number))?, "End", &()).await?;
                    Ok(begun.elapsed())
                }
            };
            Ok(crowd(to - from, at_once, work).await?.into_iter().collect())
        }
        Order::Nothing => Ok(Latencies::default()),
    }
}
