//! W5: many instances that wait for an event, and then get it.

use std::sync::Arc;
use std::time::Instant;

use clap::Args;
use durable_core::prelude::*;
use parking_lot::Mutex;

use super::crowd::crowd;
use super::latencies::Latencies;
use super::report::Row;
use super::usage::Usage;
use super::verdict::Limit;
use super::workers::{self, Crew, Done, Order};
use super::{Bench, Outcome, functions, hub};

/// What the engine must reach of the bare loop.
const BUDGET: f64 = 0.35;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many instances wait.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// How many clients there are, and how many instances share a transaction of the bare loop.
    #[arg(long, default_value_t = 1_024)]
    at_once: u64,
    /// How many waiting instances the hub keeps in memory; what it does by itself when this is not said.
    #[arg(long)]
    warm: Option<usize>,
    #[command(flatten)]
    shared: workers::Shared,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W5: so many instances wait for an event; then all get it, and end",
        &[
            "park: instances in a second from the first start until the last first turn is committed",
            "raise: from the first event until the last instance has ended, by its commit; acknowledged: until the last",
            "  client knows that its event is stored; bare: the same rows in a bare loop, two transactions each",
            "p50 and p99 of park and of raise: from the call of start, or of raise_event, until the client knows that it is stored,",
            "  while all other clients do the same",
            "park_commits: all commits of park, and commits: all of raise; KiB and CPU: of an instance",
        ],
    )?;
    for workers in &sizes.shared.workers {
        shared_row(bench, sizes, *workers).await?;
    }
    if sizes.shared.workers.is_empty() {
        row(bench, sizes).await?;
    }
    Ok(())
}

async fn row(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    let before = bench.look().await?;
    let (count, group) = (sizes.count.cast_signed(), sizes.at_once.max(1).cast_signed());
    let (park_before, raise_before) = bench.bare.parks_and_raises_per_s(count, group)?;

    let store = bench.store()?;
    let mut hub = hub(&store)?;
    if let Some(warm) = sizes.warm {
        hub = hub.warm_instances(warm);
    }
    let hub = hub.start().await?;
    let client = store.client(&hub);
    let (begun, seen) = (Usage::now(), store.counts.seen());
    let (ids, parks) = park(&client, sizes).await?;
    store.counts.until(|now| now.parked >= seen.parked + sizes.count).await;
    let (parked, park_commits) = (begun.spent(), store.counts.seen().commits - seen.commits);

    let (begun, seen) = (Usage::now(), store.counts.seen());
    let raises = raise(&client, ids, sizes).await?;
    let acknowledged = begun.spent();
    store.counts.until(|now| now.finished >= seen.finished + sizes.count).await;
    let (raised, now) = (begun.spent(), store.counts.seen());
    store.counts.none_failed()?;
    hub.shutdown().await?;

    let (park_after, raise_after) = bench.bare.parks_and_raises_per_s(count, group)?;
    let canary = bench.since(&before)?;
    let all = sizes.count as f64;
    let (bare_park, bare_raise) = (f64::midpoint(park_before, park_after), f64::midpoint(raise_before, raise_after));
    let row = Row::new("w5", sizes.count, canary, store.counts.errors())
        .figure("park_per_s", parked.rate(all))
        .figure("bare_park_per_s", bare_park)
        .figure("park_p50_ms", parks.median_ms())
        .figure("park_p99_ms", parks.percentile_ms(99))
        .figure("park_commits", park_commits as f64)
        .figure("kib_per_park", bench.kib_each(parked, all))
        .figure("cpu_us_per_park", parked.cpu_us_each(all))
        .figure("acknowledged_per_s", acknowledged.rate(all))
        .figure("raise_per_s", raised.rate(all))
        .figure("bare_raise_per_s", bare_raise)
        .figure("raise_p50_ms", raises.median_ms())
        .figure("raise_p99_ms", raises.percentile_ms(99))
        .figure("commits", (now.commits - seen.commits) as f64)
        .figure("kib_per_raise", bench.kib_each(raised, all))
        .figure("cpu_us_per_raise", raised.cpu_us_each(all))
        .budget("bare loop ratio of park", parked.rate(all) / bare_park, Limit::AtLeast(BUDGET))
        .budget("bare loop ratio of raise", raised.rate(all) / bare_raise, Limit::AtLeast(BUDGET));
    bench.print(row)
}

/// As `row`, by several worker processes. The clients of each start their share of the instances, and raise the events of those
/// that the next worker has.
async fn shared_row(bench: &mut Bench, sizes: &Sizes, workers: u64) -> Outcome<()> {
    let before = bench.look().await?;
    let (count, group) = (sizes.count.cast_signed(), sizes.at_once.max(1).cast_signed());
    let (park_before, raise_before) = bench.bare.parks_and_raises_per_s(count, group)?;

    let store = bench.store()?;
    let mut crew = Crew::start(workers, &store).await?;
    let numbers = |worker| (sizes.count * worker / workers, sizes.count * (worker + 1) / workers);
    let at_once = (sizes.at_once / workers).max(1);
    let (unused, unseen, begun) = (crew.used().await?, crew.seen(), Usage::now());
    let parks = crew.all(|worker| Order::Park { numbers: numbers(worker), at_once }).await?;
    crew.until(|seen| seen.parked >= sizes.count).await?;
    let parked = begun.spent();

    let (used, seen, begun) = (crew.used().await?, crew.seen(), Usage::now());
    let raises = crew.all(|worker| Order::Raise { numbers: numbers((worker + 1) % workers), at_once }).await?;
    let acknowledged = begun.spent();
    crew.until(|seen| seen.finished >= sizes.count).await?;
    let (raised, now_used, now) = (begun.spent(), crew.used().await?, crew.seen());
    crew.end().await?;
    if now.failed > 0 {
        return Err(format!("{} instances did not complete", now.failed).into());
    }

    let (park_after, raise_after) = bench.bare.parks_and_raises_per_s(count, group)?;
    let canary = bench.since(&before)?;
    let all = sizes.count as f64;
    let (bare_park, bare_raise) = (f64::midpoint(park_before, park_after), f64::midpoint(raise_before, raise_after));
    let (parks, raises) = (Done::latencies_of(parks), Done::latencies_of(raises));
    let row = Row::new("w5", sizes.count, canary, now_used.errors)
        .figure("workers", workers as f64)
        .figure("park_per_s", parked.rate(all))
        .figure("bare_park_per_s", bare_park)
        .figure("park_p50_ms", parks.median_ms())
        .figure("park_p99_ms", parks.percentile_ms(99))
        .figure("park_commits", (seen.commits - unseen.commits) as f64)
        .figure("cpu_us_per_park", used.cpu_us_each(&unused, all))
        .figure("acknowledged_per_s", acknowledged.rate(all))
        .figure("raise_per_s", raised.rate(all))
        .figure("bare_raise_per_s", bare_raise)
        .figure("raise_p50_ms", raises.median_ms())
        .figure("raise_p99_ms", raises.percentile_ms(99))
        .figure("commits", (now.commits - seen.commits) as f64)
        .figure("cpu_us_per_raise", now_used.cpu_us_each(&used, all))
        .figure("bare loop ratio of park", parked.rate(all) / bare_park)
        .figure("bare loop ratio of raise", raised.rate(all) / bare_raise);
    bench.print(row)
}

/// Starts all instances, and gives the times that this took. Some of them have not had their turn yet.
async fn park(client: &Client, sizes: &Sizes) -> Outcome<(Vec<InstanceId>, Latencies)> {
    let ids = Arc::new(Mutex::new(Vec::new()));
    let (client, started) = (client.clone(), Arc::clone(&ids));
    let work = move |_| {
        let (client, started) = (client.clone(), Arc::clone(&started));
        async move {
            let begun = Instant::now();
            let instance = client.start(functions::wait_for_event, ()).await?;
            let time = begun.elapsed();
            started.lock().push(instance.id().clone());
            Ok(time)
        }
    };
    let times = crowd(sizes.count, sizes.at_once, work).await?;
    Ok((std::mem::take(&mut *ids.lock()), times.into_iter().collect()))
}

async fn raise(client: &Client, ids: Vec<InstanceId>, sizes: &Sizes) -> Outcome<Latencies> {
    let (client, ids) = (client.clone(), Arc::new(ids));
    let work = move |number| {
        let (client, ids) = (client.clone(), Arc::clone(&ids));
        async move {
            let begun = Instant::now();
            client.raise_event(&ids[number as usize], "End", &()).await?;
            Ok(begun.elapsed())
        }
    };
    Ok(crowd(sizes.count, sizes.at_once, work).await?.into_iter().collect())
}
