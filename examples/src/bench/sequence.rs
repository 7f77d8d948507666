//! W1: many instances at once, each a sequence of five activities.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use durable_core::prelude::*;
use tokio::task::JoinSet;

use super::latencies::Latencies;
use super::report::Row;
use super::usage::Usage;
use super::verdict::Limit;
use super::workers::{self, Crew, Done, Order, share};
use super::{Bench, Outcome, functions, hub};

const ACTIVITIES: u32 = 5;

/// The turns of such an instance: each ends with a call, and the last with the result.
const STEPS: f64 = 6.0;

/// The row that is compared with the ceiling, and how many instances share a transaction there.
const PRODUCERS: u64 = 256;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many instances run at once.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 32, 256, 2048])]
    pub(super) concurrent: Vec<u64>,
    /// How many instances run in all, instead of for a time.
    #[arg(long)]
    count: Option<u64>,
    #[command(flatten)]
    shared: workers::Shared,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W1: sequences of 5 activities that do nothing, so many instances at once",
        &[
            "p50, p99: from the call of start until the client has the result; a step: a turn, of which an instance has 6",
            "commits/step: transactions, each of which is flushed once; KiB/step: pages written (/proc/self/io), checkpoints included",
            "CPU/step: processor time of the whole process, clients included; ceiling: a bare loop that writes the rows of steps,",
            "  256 instances a transaction, before and after the row; the ratio is that of 6 steps an instance to it. In same groups:",
            "  with as many steps a transaction as the engine's had, which works on the others while it writes one group",
        ],
    )?;
    for concurrent in &sizes.concurrent {
        for workers in &sizes.shared.workers {
            shared_row(bench, *concurrent, sizes.count, *workers).await?;
        }
        if sizes.shared.workers.is_empty() {
            row(bench, *concurrent, sizes.count).await?;
        }
    }
    Ok(())
}

async fn row(bench: &mut Bench, concurrent: u64, count: Option<u64>) -> Outcome<()> {
    let before = bench.look().await?;
    let has_ceiling = concurrent == PRODUCERS;
    let ceiling_before = ceiling(bench, has_ceiling, PRODUCERS)?;

    let store = bench.store()?;
    let hub = hub(&store)?.start().await?;
    let client = store.client(&hub);
    run(&client, concurrent, Budget::Count(concurrent)).await?;
    let (usage, seen) = (Usage::now(), store.counts.seen());
    let budget = count.map_or(Budget::Until(Instant::now() + bench.time), Budget::Count);
    let latencies = run(&client, concurrent, budget).await?;
    let (spent, now) = (usage.spent(), store.counts.seen());
    hub.shutdown().await?;

    let done = latencies.count() as f64;
    let (steps, rate) = (done * STEPS, spent.rate(done));
    let commits_per_step = (now.commits - seen.commits) as f64 / steps;
    let ceiling_after = ceiling(bench, has_ceiling, PRODUCERS)?;
    let in_same_groups = ceiling(bench, has_ceiling, steps_in_a_commit(commits_per_step))?;
    let canary = bench.since(&before)?;
    let commit = canary.commit();
    let p50 = latencies.median_ms();
    let mut row = Row::new("w1", concurrent, canary, store.counts.errors())
        .figure("orch_per_s", rate)
        .figure("activities_per_s", rate * f64::from(ACTIVITIES))
        .figure("p50_ms", p50)
        .figure("p99_ms", latencies.percentile_ms(99))
        .figure("p50_commits", p50 / commit)
        .figure("commits_per_step", commits_per_step)
        .figure("kib_per_step", bench.kib_each(spent, steps))
        .figure("cpu_us_per_step", spent.cpu_us_each(steps));
    if let (Some(before), Some(after)) = (ceiling_before, ceiling_after) {
        let (ceiling, cpu_us) = (f64::midpoint(before.0, after.0), f64::midpoint(before.1, after.1));
        row = row.figure("ceiling_steps_per_s", ceiling).figure("ceiling_cpu_us_per_step", cpu_us);
        row = row.budget("ceiling ratio", rate * STEPS / ceiling, Limit::AtLeast(0.6));
    }
    if let Some((ceiling, _)) = in_same_groups {
        row = row.figure("ceiling_in_same_groups_per_s", ceiling);
        row = row.budget("ceiling ratio in same groups", rate * STEPS / ceiling, Limit::AtLeast(0.6));
    }
    if concurrent == 1 {
        row = row.budget("commits end to end", p50 / commit, Limit::AtMost(12.0));
    }
    bench.print(row)
}

/// As `row`, by several worker processes, each with its share of the clients.
async fn shared_row(bench: &mut Bench, concurrent: u64, count: Option<u64>, workers: u64) -> Outcome<()> {
    let before = bench.look().await?;
    let (ceiling_before, _) = bench.bare.steps(PRODUCERS.cast_signed(), bench.time / 2)?;

    let store = bench.store()?;
    let mut crew = Crew::start(workers, &store).await?;
    let clients = |worker| share(concurrent, workers, worker);
    let seconds = bench.time.as_secs_f64();
    let order = |worker, count| Order::Sequences { clients: clients(worker), count, seconds };
    crew.all(|worker| order(worker, Some(clients(worker)))).await?;
    let (begun, used, seen) = (Usage::now(), crew.used().await?, crew.seen());
    let done = crew.all(|worker| order(worker, count.map(|count| share(count, workers, worker)))).await?;
    let (spent, now_used, now) = (begun.spent(), crew.used().await?, crew.seen());
    crew.end().await?;

    let (ceiling_after, _) = bench.bare.steps(PRODUCERS.cast_signed(), bench.time / 2)?;
    let canary = bench.since(&before)?;
    let latencies = Done::latencies_of(done);
    let all = latencies.count() as f64;
    let (steps, rate, ceiling) = (all * STEPS, spent.rate(all), f64::midpoint(ceiling_before, ceiling_after));
    let row = Row::new("w1", concurrent, canary, now_used.errors)
        .figure("workers", workers as f64)
        .figure("orch_per_s", rate)
        .figure("activities_per_s", rate * f64::from(ACTIVITIES))
        .figure("p50_ms", latencies.median_ms())
        .figure("p99_ms", latencies.percentile_ms(99))
        .figure("commits_per_step", (now.commits - seen.commits) as f64 / steps)
        .figure("cpu_us_per_step", now_used.cpu_us_each(&used, steps))
        .figure("ceiling_steps_per_s", ceiling)
        .figure("ceiling ratio", rate * STEPS / ceiling);
    bench.print(row)
}

/// The bare loop with so many steps in each transaction.
fn ceiling(bench: &mut Bench, is_wanted: bool, group: u64) -> Outcome<Option<(f64, f64)>> {
    let time = bench.time / 2;
    is_wanted.then(|| bench.bare.steps(group.cast_signed(), time)).transpose()
}

/// While one group is written, the turns of the others run, so a commit never has the steps of all instances.
fn steps_in_a_commit(commits_per_step: f64) -> u64 {
    ((1.0 / commits_per_step).round() as u64).clamp(1, PRODUCERS)
}

/// When to stop.
#[derive(Debug, Clone, Copy)]
pub(super) enum Budget {
    /// After so many instances in all.
    Count(u64),
    /// When no instance starts after this.
    Until(Instant),
}

/// So many clients at once, each of which starts an instance, waits for its result, and starts the next.
pub(super) async fn run(client: &Client, concurrent: u64, budget: Budget) -> Outcome<Latencies> {
    let started = Arc::new(AtomicU64::new(0));
    let mut clients = JoinSet::new();
    for _ in 0..concurrent {
        let (client, started) = (client.clone(), Arc::clone(&started));
        clients.spawn(async move {
            let mut latencies = Latencies::default();
            while budget.allows(started.fetch_add(1, Ordering::Relaxed)) {
                latencies.push(one(&client).await?);
            }
            Outcome::Ok(latencies)
        });
    }
    let mut all = Latencies::default();
    while let Some(client) = clients.join_next().await {
        all.extend(client??);
    }
    Ok(all)
}

impl Budget {
    fn allows(self, started: u64) -> bool {
        match self {
            Self::Count(count) => started < count,
            Self::Until(end) => Instant::now() < end,
        }
    }
}

async fn one(client: &Client) -> Outcome<Duration> {
    let begun = Instant::now();
    client.start(functions::sequence, ACTIVITIES).await?.output().await?;
    Ok(begun.elapsed())
}
