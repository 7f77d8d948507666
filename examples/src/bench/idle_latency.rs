//! W4: from the start to the result, when nothing else is going on.

use clap::Args;

use super::latencies::{Latencies, ms};
use super::report::{Limit, Row};
use super::usage::Usage;
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
            "commit: the p50 of a bare commit, taken after every ten instances; p50 and p99 commits: multiples of it",
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
    let (mut times, mut commits) = (Latencies::default(), Latencies::default());
    // The first slice finds empty caches, and does not count.
    let warm_up = SLICE;
    for n in 0..warm_up + count {
        let begun = Usage::now();
        client.start(functions::sequence, activities).await?.output().await?;
        let time = begun.spent().wall;
        if n >= warm_up {
            times.push(time);
        }
        if n % SLICE == 0 {
            commits.extend(bench.bare.single_commits(SLICE)?);
        }
    }
    let seen = store.counts.seen();
    hub.shutdown().await?;
    let canary = bench.since(&before)?;

    let (p50, p99, commit) = (ms(times.median()), ms(times.percentile(99)), ms(commits.median()));
    let all = (warm_up + count) as f64;
    let mut row = Row::new("w4", activities.into(), canary)
        .figure("p50_ms", p50)
        .figure("p99_ms", p99)
        .figure("commit_ms", commit)
        .figure("p50_commits", p50 / commit)
        .figure("p99_commits", p99 / commit)
        .figure("commits", seen.commits as f64 / all)
        .figure("errors", store.counts.errors() as f64);
    if activities == 0 {
        row = row.budget("commits end to end", p50 / commit, Limit::AtMost(8.0));
    }
    bench.print(row)
}
