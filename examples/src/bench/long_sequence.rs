//! W3: one instance that lives long: many activities one after the other, and its replay.

use clap::Args;

use super::functions::{self, Marks, SharedMarks};
use super::latencies::{Latencies, ms};
use super::replay::{Replays, Waiting};
use super::report::Row;
use super::usage::{Spent, Usage};
use super::verdict::{Limit, NOT_MEASURED};
use super::{Bench, Outcome, hub_with, store::Store};

/// How much more processor time the last tenth may take than the first.
const FLAT: f64 = 1.25;

/// How many steps an instance has at least whose tenths can be compared: those of a shorter one are over in some milliseconds,
/// in which the processor still changes its pace.
const COMPARABLE: u32 = 10_000;

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
            "activities/s, commits, KiB and CPU a step: from the start of the instance until all its activities have run",
            "CPU first and last: processor time of the process for a step of these tenths; KiB/step/last: of the last tenth",
            "replay: the hub is started anew and the instance gets an event: the time until the turn is committed that takes it,",
            "  less that of an instance without a history; the median of 5; events/s: its events in that time",
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
    let Life { waiting, marks, spent, commits } = live(&store, steps).await?;
    let commit = bench.since(&before)?.commit();
    let replays = Replays::measure(&store, &waiting).await?;
    let canary = bench.since(&before)?;

    let step = marks.steps.windows(2).map(|pair| pair[1] - pair[0]).collect::<Latencies>().median_ms();
    let (all, tenth) = (f64::from(steps), f64::from(steps / 10));
    let [first, last] = match marks.tenths.as_slice() {
        [first, second, .., last_but_one, last] => [Some(first.until(second)), Some(last_but_one.until(last))],
        _ => [None; 2],
    };
    let of_tenth = |spent: Option<Spent>, figure: fn(&Spent, f64) -> f64| {
        spent.map_or(NOT_MEASURED, |spent| figure(&spent, tenth))
    };
    let cpu = [first, last].map(|spent| of_tenth(spent, Spent::cpu_us_each));
    let growth = if steps >= COMPARABLE { cpu[1] / cpu[0] } else { NOT_MEASURED };
    let speed = replays.events_per_s(2.0 * all + 2.0);
    let row = Row::new("w3", steps.into(), canary, store.counts.errors())
        .figure("activities_per_s", spent.rate(all))
        .figure("step_ms", step)
        .figure("step_commits", step / commit)
        .figure("commits_per_step", commits as f64 / all)
        .figure("kib_per_step", bench.kib_each(spent, all))
        .figure("cpu_us_per_step", spent.cpu_us_each(all))
        .figure("first_ms", of_tenth(first, |spent, tenth| ms(spent.wall) / tenth))
        .figure("last_ms", of_tenth(last, |spent, tenth| ms(spent.wall) / tenth))
        .figure("cpu_us_first", cpu[0])
        .figure("cpu_us_last", cpu[1])
        .figure("kib_per_step_last", last.map_or(NOT_MEASURED, |last| bench.kib_each(last, tenth)))
        .figure("replays", replays.count() as f64)
        .figure("replay_ms", replays.median_ms())
        .figure("replay_events_per_s", speed)
        .budget("commits a step", step / commit, Limit::AtMost(3.5))
        .budget("replayed events/s", speed, Limit::AtLeast(500_000.0))
        .budget("CPU last/first tenth", growth, Limit::AtMost(FLAT));
    bench.print(row)
}

/// A long instance that waits, and how it came there.
struct Life {
    waiting: Waiting,
    marks: Marks,
    spent: Spent,
    commits: u64,
}

/// Runs a long instance, and short ones, up to where they wait.
async fn live(store: &Store, steps: u32) -> Outcome<Life> {
    let marks = SharedMarks::default();
    let hub = hub_with(store, SharedMarks::clone(&marks))?.start().await?;
    let client = store.client(&hub);
    let mut short = Vec::new();
    for _ in 0..=SHORT {
        let instance = client.start(functions::long_sequence, 0).await?;
        instance.wait_for_start().await?;
        short.push(instance.id().clone());
    }
    let (begun, seen) = (Usage::now(), store.counts.seen());
    // Ten turns beyond those of the short ones would be enough; all are needed, and nothing else makes turns here.
    let turns = seen.turns + u64::from(steps) + 1;
    let long = client.start(functions::long_sequence, steps).await?.id().clone();
    store.counts.until(|seen| seen.turns >= turns).await;
    // The last tenth ends with its last turn.
    let (end, now) = (Usage::now(), store.counts.seen());
    marks.lock().tenths.push(end);
    hub.shutdown().await?;
    let marks = std::mem::take(&mut *marks.lock());
    let commits = now.commits - seen.commits;
    Ok(Life { waiting: Waiting { long, short }, marks, spent: begun.until(&end), commits })
}
