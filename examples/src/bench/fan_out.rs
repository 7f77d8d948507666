//! W2: one instance that calls many activities at once.

use clap::Args;

use super::latencies::Latencies;
use super::report::Row;
use super::usage::Usage;
use super::verdict::{Limit, NOT_MEASURED};
use super::workers::{self, Crew, Order};
use super::{Bench, Outcome, functions, hub};

/// The row whose time has a limit, in milliseconds.
const LIMIT: (u32, f64) = (10_000, 200.0);

/// How much longer an activity may take in the larger of two rows.
const LINEAR: f64 = 1.25;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many activities the instance calls.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 100_000])]
    width: Vec<u32>,
    /// How many instances are measured, one after the other; the median counts.
    #[arg(long, default_value_t = 3)]
    repeat: u32,
    #[command(flatten)]
    shared: workers::Shared,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W2: one instance that calls so many activities at once",
        &[
            "total: from the call of start until the client has the result, the median of the repetitions",
            "growth: the time of an activity as a multiple of that in the row before; elsewhere: activities that other workers than",
            "  that of the instance have taken over; all else as in W1",
        ],
    )?;
    let mut smaller = None;
    for width in &sizes.width {
        for workers in &sizes.shared.workers {
            shared_row(bench, *width, sizes.repeat, *workers).await?;
        }
        if !sizes.shared.workers.is_empty() {
            continue;
        }
        smaller = Some(row(bench, *width, sizes.repeat, smaller).await?);
    }
    Ok(())
}

/// Gives the time of an activity.
async fn row(bench: &mut Bench, width: u32, repeat: u32, smaller: Option<f64>) -> Outcome<f64> {
    let before = bench.look().await?;
    let store = bench.store()?;
    let hub = hub(&store)?.start().await?;
    let client = store.client(&hub);
    client.start(functions::fan_out, 100).await?.output().await?;

    let (usage, seen) = (Usage::now(), store.counts.seen());
    let mut times = Latencies::default();
    for _ in 0..repeat.max(1) {
        let begun = Usage::now();
        client.start(functions::fan_out, width).await?.output().await?;
        times.push(begun.spent().wall);
    }
    let (spent, now) = (usage.spent(), store.counts.seen());
    hub.shutdown().await?;
    let canary = bench.since(&before)?;

    let (total, calls) = (times.median_ms(), f64::from(width));
    let all_calls = calls * times.count() as f64;
    let each = total / calls;
    let mut row = Row::new("w2", width.into(), canary, store.counts.errors())
        .figure("total_ms", total)
        .figure("max_ms", times.max_ms())
        .figure("activities_per_s", calls / total * 1e3)
        .figure("commits", (now.commits - seen.commits) as f64 / times.count() as f64)
        .figure("kib_per_activity", bench.kib_each(spent, all_calls))
        .figure("cpu_us_per_activity", spent.cpu_us_each(all_calls));
    if width == LIMIT.0 {
        row = row.budget("total ms", total, Limit::AtMost(LIMIT.1));
    }
    if width > LIMIT.0 {
        let growth = smaller.map_or(NOT_MEASURED, |smaller| each / smaller);
        row = row.budget("growth", growth, Limit::AtMost(LINEAR));
    }
    bench.print(row)?;
    Ok(each)
}

/// As `row`, with several worker processes. One of them has the instance, and all run its activities.
async fn shared_row(bench: &mut Bench, width: u32, repeat: u32, workers: u64) -> Outcome<()> {
    let before = bench.look().await?;
    let store = bench.store()?;
    let mut crew = Crew::start(workers, &store).await?;
    crew.one(0, Order::FanOut { width: 100 }).await?;

    let (used, seen, own) = (crew.used().await?, crew.seen(), crew.seen_by(0));
    let mut times = Latencies::default();
    for _ in 0..repeat.max(1) {
        times.extend(crew.one(0, Order::FanOut { width }).await?.latencies());
    }
    let (now_used, now, now_own) = (crew.used().await?, crew.seen(), crew.seen_by(0));
    crew.end().await?;
    let canary = bench.since(&before)?;

    let (total, calls) = (times.median_ms(), f64::from(width));
    let all_calls = calls * times.count() as f64;
    let elsewhere = (now.taken - seen.taken) - (now_own.taken - own.taken);
    let row = Row::new("w2", width.into(), canary, now_used.errors)
        .figure("workers", workers as f64)
        .figure("total_ms", total)
        .figure("max_ms", times.max_ms())
        .figure("activities_per_s", calls / total * 1e3)
        .figure("elsewhere_percent", elsewhere as f64 / all_calls * 100.0)
        .figure("commits", (now.commits - seen.commits) as f64 / times.count() as f64)
        .figure("cpu_us_per_activity", now_used.cpu_us_each(&used, all_calls));
    bench.print(row)
}
