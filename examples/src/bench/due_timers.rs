//! W8: many timers that are due at nearly the same time, and a hub that has nothing to do.

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use durable_core::backend::TurnCommit;
use durable_core::prelude::*;
use parking_lot::Mutex;

use super::counted::Counts;
use super::crowd::crowd;
use super::latencies::{Latencies, ms};
use super::report::Row;
use super::store::Store;
use super::usage::Usage;
use super::verdict::Limit;
use super::{Bench, Outcome, functions, hub};

const AT_ONCE: u64 = 1_024;

/// All timers are due within this time.
const SPREAD: Duration = Duration::from_secs(1);

/// Instances that wait while the hub is idle, and for how much longer than anything is measured.
const IDLE: (u64, Duration) = (1_000, Duration::from_secs(3600));

/// Instances whose start tells how long all of them will take.
const TRIAL: u64 = 4 * AT_ONCE;

/// Before the idle time is measured, what the last commits left behind comes to its end.
const SETTLE: Duration = Duration::from_secs(1);

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many timers there are.
    #[arg(long, default_value_t = 100_000)]
    count: u64,
    /// For how many seconds the idle hub is watched.
    #[arg(long, default_value_t = 5.0)]
    idle: f64,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    bench.report.begin(
        "W8: so many instances, each with a timer, all due within one second; then nothing to do",
        &[
            "late: from the time of a timer until the commit of the turn that it brought about; a turn that ends its instance",
            "ready before: how long before the first timer was due the last instance waited for its own; it must not be 0",
            "idle: processor time of the process while 1,000 instances wait for timers that are far away, in percent of one",
            "set: from the first start until the last instance waits for its timer; fire: from then on until the last one has ended;",
            "  all commits of each, and KiB and CPU of an instance",
        ],
    )?;
    let before = bench.look().await?;
    let late = Arc::new(Mutex::new(Latencies::default()));
    let store = bench.place.store(Counts::new(Some(note_lateness(Arc::clone(&late)))))?;
    let hub = hub(&store)?.start().await?;
    let client = store.client(&hub);

    // How fast instances start here, to know when all of them will be there.
    let trial = sizes.count.min(TRIAL);
    let begun = Usage::now();
    wait_until_done(&client, &store, trial, Timestamp::system_now()).await?;
    let lead = begun.spent().wall.mul_f64(1.5 * sizes.count as f64 / trial as f64) + SPREAD;
    *late.lock() = Latencies::default();

    let (begun, seen) = (Usage::now(), store.counts.seen());
    let due = Timestamp::system_now().saturating_add(lead);
    start(&client, sizes.count, due).await?;
    store.counts.until(|now| now.parked >= seen.parked + sizes.count).await;
    let early = due.saturating_since(Timestamp::system_now());
    let (all_set, set) = (Usage::now(), store.counts.seen());
    store.counts.until(|now| now.finished > seen.finished).await;
    let first_fired = Usage::now();
    store.counts.until(|now| now.finished >= seen.finished + sizes.count).await;
    let (all_fired, fired) = (Usage::now(), store.counts.seen());
    store.counts.none_failed()?;
    let canary = bench.since(&before)?;
    let idle = idle(&client, sizes.idle).await?;
    hub.shutdown().await?;

    let late = std::mem::take(&mut *late.lock());
    let (all, p99) = (sizes.count as f64, late.percentile_ms(99));
    let (setting, firing) = (begun.until(&all_set), all_set.until(&all_fired));
    let row = Row::new("w8", sizes.count, canary, store.counts.errors())
        .figure("p50_late_ms", late.median_ms())
        .figure("p99_late_ms", p99)
        .figure("max_late_ms", late.max_ms())
        .figure("set_per_s", setting.rate(all))
        .figure("set_commits", (set.commits - seen.commits) as f64)
        .figure("kib_per_set", bench.kib_each(setting, all))
        .figure("cpu_us_per_set", setting.cpu_us_each(all))
        .figure("fired_per_s", first_fired.until(&all_fired).rate(all))
        .figure("fire_commits", (fired.commits - set.commits) as f64)
        .figure("kib_per_fire", bench.kib_each(firing, all))
        .figure("cpu_us_per_fire", firing.cpu_us_each(all))
        .figure("ready_before_ms", ms(early))
        .figure("idle_percent", idle)
        .budget("p99 late ms", p99, Limit::AtMost(2_000.0))
        .budget("idle CPU percent", idle, Limit::AtMost(0.1));
    bench.print(row)
}

/// Notes how late each instance ended: it returns the time for which it waited.
fn note_lateness(late: Arc<Mutex<Latencies>>) -> Box<dyn Fn(&TurnCommit) + Send + Sync> {
    Box::new(move |turn| {
        let due = turn.output.as_ref().and_then(|output| output.decode::<Timestamp>().ok());
        if let Some(due) = due.filter(|_| turn.status.is_terminal()) {
            late.lock().push(Timestamp::system_now().saturating_since(due));
        }
    })
}

/// Starts instances whose timers are due within the spread.
async fn start(client: &Client, count: u64, due: Timestamp) -> Outcome<()> {
    let client = client.clone();
    let work = move |number| {
        let client = client.clone();
        let due = due.saturating_add(SPREAD.mul_f64(number as f64 / count as f64));
        async move {
            client.start(functions::wait_until, due).await?;
            Ok(())
        }
    };
    crowd(count, AT_ONCE, work).await?;
    Ok(())
}

async fn wait_until_done(client: &Client, store: &Store, count: u64, due: Timestamp) -> Outcome<()> {
    let finished = store.counts.seen().finished + count;
    start(client, count, due).await?;
    store.counts.until(|seen| seen.finished >= finished).await;
    store.counts.none_failed()
}

/// The processor time of an idle hub, in percent of the time.
async fn idle(client: &Client, seconds: f64) -> Outcome<f64> {
    start(client, IDLE.0, Timestamp::system_now().saturating_add(IDLE.1)).await?;
    tokio::time::sleep(SETTLE).await;
    let usage = Usage::now();
    tokio::time::sleep(Duration::try_from_secs_f64(seconds)?).await;
    Ok(usage.spent().cpu_percent())
}
