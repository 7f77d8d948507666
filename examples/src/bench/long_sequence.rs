//! W3: one instance that lives long: many activities one after the other, and its replay.

use std::time::Duration;

use clap::Args;
use durable_core::prelude::*;

use super::functions::{self, Marks, SharedMarks};
use super::latencies::{Latencies, ms};
use super::report::{Limit, Row};
use super::usage::Usage;
use super::{Bench, Outcome, hub_with, store::Store};

/// How much more processor time the last tenth may take than the first.
const FLAT: f64 = 1.25;

/// Short instances whose way to their end is subtracted from that of the long one.
const SHORT: usize = 5;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many activities the instance calls.
    #[arg(long, value_delimiter = ',', default_values_t = [1_000, 10_000, 50_000])]
    steps: Vec<u32>,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W3: one instance with so many activities one after the other",
        &[
            "step: the median time between two activities; first and last: the mean step of the first and the last tenth",
            "CPU first and last: processor time of the process for a step of these tenths",
            "replay: the hub is started anew and the instance gets an event: the time until the client has its result, less",
            "  that of an instance without a history; events/s: its events in that time",
        ],
    )?;
    for steps in &sizes.steps {
        row(bench, *steps).await?;
    }
    Ok(())
}

async fn row(bench: &mut Bench, steps: u32) -> Outcome<()> {
    let before = bench.look().await?;
    let store = bench.store()?;
    let seen = store.counts.seen();
    let (marks, long, short) = live(&store, steps).await?;
    let now = store.counts.seen();
    let commit = bench.since(&before)?.commit();
    let replay = replay(&store, &long, &short).await?;
    let canary = bench.since(&before)?;

    let step = ms(marks.steps.windows(2).map(|pair| pair[1] - pair[0]).collect::<Latencies>().median());
    let events = 2.0 * f64::from(steps) + 2.0;
    let mut row = Row::new("w3", steps.into(), canary)
        .figure("step_ms", step)
        .figure("step_commits", step / commit)
        .figure("commits_per_step", (now.commits - seen.commits) as f64 / f64::from(steps));
    let mut flat = None;
    if let [first, second, .., last_but_one, last] = marks.tenths.as_slice() {
        let tenth = f64::from(steps / 10);
        let (first, last) = (first.until(second), last_but_one.until(last));
        flat = Some(last.cpu_us_each(tenth) / first.cpu_us_each(tenth));
        row = row
            .figure("first_ms", ms(first.wall) / tenth)
            .figure("last_ms", ms(last.wall) / tenth)
            .figure("cpu_us_first", first.cpu_us_each(tenth))
            .figure("cpu_us_last", last.cpu_us_each(tenth))
            .figure("kib_per_step_last", last.kib_each(tenth));
    }
    let speed = events / replay.as_secs_f64();
    row = row
        .figure("replay_ms", ms(replay))
        .figure("replay_events_per_s", speed)
        .figure("errors", store.counts.errors() as f64)
        .budget("commits a step", step / commit, Limit::AtMost(3.5))
        .budget("replayed events/s", speed, Limit::AtLeast(500_000.0));
    if let Some(flat) = flat {
        row = row.budget("CPU last/first tenth", flat, Limit::AtMost(FLAT));
    }
    bench.print(row)
}

/// Runs a long instance, and short ones, up to where they wait.
async fn live(store: &Store, steps: u32) -> Outcome<(Marks, InstanceId, Vec<InstanceId>)> {
    let marks = SharedMarks::default();
    let hub = hub_with(store, SharedMarks::clone(&marks))?.start().await?;
    let client = store.client(&hub);
    let mut short = Vec::new();
    for _ in 0..=SHORT {
        let instance = client.start(functions::long_sequence, 0).await?;
        instance.wait_for_start().await?;
        short.push(instance.id().clone());
    }
    // Ten turns beyond those of the short ones would be enough; all are needed, and nothing else makes turns here.
    let turns = store.counts.seen().turns + u64::from(steps) + 1;
    let long = client.start(functions::long_sequence, steps).await?.id().clone();
    store.counts.until(|seen| seen.turns >= turns).await;
    // The last tenth ends with its last turn.
    marks.lock().tenths.push(Usage::now());
    hub.shutdown().await?;
    let marks = std::mem::take(&mut *marks.lock());
    Ok((marks, long, short))
}

/// How long the replay of the long instance takes in a hub that has just been started.
async fn replay(store: &Store, long: &InstanceId, short: &[InstanceId]) -> Outcome<Duration> {
    let hub = hub_with(store, SharedMarks::default())?.start().await?;
    let client = store.client(&hub);
    let mut bare = Latencies::default();
    for id in short {
        bare.push(end(&client, id).await?);
    }
    let whole = end(&client, long).await?;
    hub.shutdown().await?;
    Ok(whole.saturating_sub(bare.median()).max(Duration::from_nanos(1)))
}

async fn end(client: &Client, id: &InstanceId) -> Outcome<Duration> {
    let begun = Usage::now();
    client.raise_event(id, "End", &()).await?;
    client.instance::<(), _>(id.clone())?.output().await?;
    Ok(begun.spent().wall)
}
