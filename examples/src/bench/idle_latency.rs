//! W4: from the start to the result, when nothing else is going on.

use std::time::Instant;

use clap::Args;
use durable_core::prelude::*;

use super::latencies::Latencies;
use super::report::Row;
use super::usage::{Spent, Usage};
use super::verdict::{Limit, NOT_MEASURED};
use super::{Bench, Outcome, functions, hub};

/// Instances between two looks at the disk.
const SLICE: usize = 10;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many activities an instance has.
    #[arg(long, value_delimiter = ',', default_values_t = [0, 1, 5])]
    activities: Vec<u32>,
    /// How many instances are measured.
    #[arg(long, default_value_t = 500)]
    count: usize,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W4: one instance after the other, each a sequence of so many activities that do nothing",
        &[
            "p50, p99: from the call of start until the client has the result",
            "commit: the p50 of a bare commit, taken before every ten instances; p50 and p99 commits: multiples of it",
            "commits, KiB, CPU: of an instance; those of the bare commits are not among them",
        ],
    )?;
    for activities in &sizes.activities {
        row(bench, *activities, sizes.count).await?;
    }
    Ok(())
}

async fn row(bench: &mut Bench, activities: u32, count: usize) -> Outcome<()> {
    let before = bench.look().await?;
    let store = bench.store()?;
    let hub = hub(&store)?.start().await?;
    let client = store.client(&hub);
    // The first slice finds empty caches, and does not count.
    slice(&client, activities, SLICE).await?;
    let seen = store.counts.seen();
    let (mut times, mut commits, mut spent) = (Latencies::default(), Latencies::default(), None);
    while times.count() < count {
        commits.extend(bench.bare.single_commits(SLICE)?);
        let (more, used) = slice(&client, activities, SLICE.min(count - times.count())).await?;
        times.extend(more);
        spent = Some(spent.map_or(used, |spent: Spent| spent.plus(used)));
    }
    let now = store.counts.seen();
    hub.shutdown().await?;
    let canary = bench.since(&before)?;

    let (p50, p99, commit) = (times.median_ms(), times.percentile_ms(99), commits.median_ms());
    let all = count as f64;
    let mut row = Row::new("w4", activities.into(), canary, store.counts.errors())
        .figure("p50_ms", p50)
        .figure("p99_ms", p99)
        .figure("commit_ms", commit)
        .figure("p50_commits", p50 / commit)
        .figure("p99_commits", p99 / commit)
        .figure("commits", (now.commits - seen.commits) as f64 / all)
        .figure("kib_per_orch", spent.map_or(NOT_MEASURED, |spent| bench.kib_each(spent, all)))
        .figure("cpu_us_per_orch", spent.map_or(NOT_MEASURED, |spent| spent.cpu_us_each(all)));
    if activities == 0 {
        row = row.budget("commits end to end", p50 / commit, Limit::AtMost(8.0));
    }
    bench.print(row)
}

/// So many instances, one after the other: how long each took, and what all of them used.
async fn slice(client: &Client, activities: u32, count: usize) -> Outcome<(Latencies, Spent)> {
    let usage = Usage::now();
    let mut times = Latencies::default();
    for _ in 0..count {
        let begun = Instant::now();
        client.start(functions::sequence, activities).await?.output().await?;
        times.push(begun.elapsed());
    }
    Ok((times, usage.spent()))
}
