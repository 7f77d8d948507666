//! W6: what instances cost that only wait: memory, and time when a hub starts.
//!
//! Each figure comes from a process of its own, so that the memory of one is not that which another has given back.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Args;
use durable_core::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::acknowledged::Acknowledged;
use super::crowd::crowd;
use super::latencies::ms;
use super::report::Row;
use super::store::{Place, Store};
use super::usage::{Spent, Usage, resident};
use super::verdict::{Limit, NOT_MEASURED};
use super::{Bench, Outcome, functions, hub};

const AT_ONCE: u64 = 1_024;

/// Instances that wait before memory is first looked at, so that what a hub needs in any case is there.
const FIRST: u64 = 1_000;

#[derive(Debug, Args)]
pub(super) struct Sizes {
    /// How many instances wait in the store when a hub starts.
    #[arg(long, default_value_t = 1_000_000)]
    population: u64,
    /// How many instances wait in memory.
    #[arg(long, default_value_t = 100_000)]
    warm: u64,
}

pub(super) async fn measure(bench: &mut Bench, sizes: &Sizes) -> Outcome<()> {
    if !bench.place.is_file() {
        return Err("W6 starts a hub in another process, so it needs a file".into());
    }
    bench.report.begin(
        "W6: so many instances that wait for an event; each row is measured in a process of its own",
        &[
            "warm: resident memory that comes with each instance that the hub keeps in memory, caches of the store included;",
            "  caches: the same with a hub that keeps one in memory, so what the store and the allocator hold on to",
            "cold: resident memory of a hub that was started on so many, less that of one on an empty store, for each",
            "open: until the hub runs; start: until it has run a first new instance, and the CPU of its process until then",
            "park: as in W5; all commits, and KiB and CPU of an instance",
        ],
    )?;
    warm(bench, sizes.warm).await?;
    cold(bench, sizes.population).await
}

async fn warm(bench: &mut Bench, count: u64) -> Outcome<()> {
    let before = bench.look().await?;
    let part = |warm| Warm { count, warm, dir: bench.place.dir().to_owned() };
    let measured: Resident = in_its_own_process(&bench.place, part(FIRST + count).to_args()).await?;
    let caches: Resident = in_its_own_process(&bench.place, part(1).to_args()).await?;
    let canary = bench.since(&before)?;
    let bytes = measured.bytes.unwrap_or(NOT_MEASURED);
    let row = Row::new("w6-warm", count, canary, measured.errors + caches.errors)
        .figure("bytes_per_instance", bytes)
        .figure("bytes_per_instance_caches", caches.bytes.unwrap_or(NOT_MEASURED))
        .figure("resident_mib", mib(measured.total))
        .budget("bytes an instance", bytes, Limit::AtMost(4096.0));
    bench.print(with_park(row, &measured.parked, count))
}

async fn cold(bench: &mut Bench, count: u64) -> Outcome<()> {
    let before = bench.look().await?;
    let empty = bench.store()?;
    hub(&empty)?.start().await?.shutdown().await?;
    let base: StartedUp =
        in_its_own_process(&bench.place, StartUp { file: empty.file()?.to_owned() }.to_args()).await?;

    let store = bench.store()?;
    let hub = hub(&store)?.warm_instances(1).start().await?;
    let parked = park(&hub, &store, count).await?;
    hub.shutdown().await?;
    let size = std::fs::metadata(store.file()?)?.len() as f64;
    let full: StartedUp =
        in_its_own_process(&bench.place, StartUp { file: store.file()?.to_owned() }.to_args()).await?;
    let canary = bench.since(&before)?;

    let all = count as f64;
    let more = full.resident.zip(base.resident).map(|(full, base)| (full - base).max(0.0) / all);
    let cold = more.unwrap_or(NOT_MEASURED);
    let errors = [&empty, &store].map(|store| store.counts.errors()).iter().sum::<u64>() + base.errors + full.errors;
    let row = Row::new("w6-cold", count, canary, errors)
        .figure("bytes_per_instance", cold)
        .figure("disk_bytes_per_instance", size / all)
        .figure("open_ms", full.open_ms)
        .figure("start_ms", full.start_ms)
        .figure("start_ms_empty", base.start_ms)
        .figure("start_cpu_ms", full.start_cpu_ms.unwrap_or(NOT_MEASURED))
        .figure("start_cpu_ms_empty", base.start_cpu_ms.unwrap_or(NOT_MEASURED))
        .figure("resident_mib", mib(full.resident))
        .budget("cold bytes an instance", cold, Limit::AtMost(64.0))
        .budget("start ms", full.start_ms, Limit::AtMost(2_000.0));
    bench.print(with_park(row, &parked, count))
}

fn mib(bytes: Option<f64>) -> f64 {
    bytes.map_or(NOT_MEASURED, |bytes| bytes / 1024.0 / 1024.0)
}

fn with_park(row: Row, parked: &Parked, count: u64) -> Row {
    let all = count as f64;
    row.figure("park_per_s", parked.spent.rate(all))
        .figure("park_commits", parked.commits as f64)
        .figure("kib_per_park", parked.spent.kib_each(all))
        .figure("cpu_us_per_park", parked.spent.cpu_us_each(all))
}

/// What it took until so many instances waited.
#[derive(Debug, Serialize, Deserialize)]
struct Parked {
    spent: Spent,
    commits: u64,
}

async fn park(hub: &TaskHub, store: &Store, count: u64) -> Outcome<Parked> {
    let (begun, before) = (Usage::now(), store.counts.seen());
    let client = store.client(hub);
    let work = move |_| {
        let client = client.clone();
        async move {
            client.start(functions::wait_for_event, ()).await?;
            Ok(())
        }
    };
    crowd(count, AT_ONCE, work).await?;
    store.counts.until(|seen| seen.parked >= before.parked + count).await;
    store.counts.none_failed()?;
    Ok(Parked { spent: begun.spent(), commits: store.counts.seen().commits - before.commits })
}

/// Runs a part of this program as a process of its own, and reads what it prints.
async fn in_its_own_process<T: serde::de::DeserializeOwned>(
    place: &Place,
    arguments: Vec<std::ffi::OsString>,
) -> Outcome<T> {
    let mut program = tokio::process::Command::new(std::env::current_exe()?);
    program.args(arguments).args(place.to_args());
    // `output` would swallow what the process says on its standard error.
    program.stdout(Stdio::piped()).kill_on_drop(true);
    let output = program.spawn()?.wait_with_output().await?;
    if !output.status.success() {
        return Err(format!("a part of the measurement ended with {}", output.status).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// The part that keeps so many instances in memory, of all that wait.
#[derive(Debug, Args)]
pub(super) struct Warm {
    #[arg(long)]
    count: u64,
    #[arg(long)]
    warm: u64,
    #[arg(long = "in")]
    dir: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct Resident {
    bytes: Option<f64>,
    total: Option<f64>,
    parked: Parked,
    errors: u64,
}

impl Warm {
    fn to_args(&self) -> Vec<std::ffi::OsString> {
        let words = ["part", "warm", "--count", &self.count.to_string(), "--warm", &self.warm.to_string(), "--in"];
        words.into_iter().map(Into::into).chain([self.dir.clone().into()]).collect()
    }

    pub(super) async fn run(self, acknowledged: Option<Acknowledged>) -> Outcome<serde_json::Value> {
        let store = Place::fresh(self.dir, acknowledged)?.store(super::Counts::new(None))?;
        let hub = hub(&store)?.warm_instances(usize::try_from(self.warm)?).start().await?;
        park(&hub, &store, FIRST).await?;
        let before = resident();
        let parked = park(&hub, &store, self.count).await?;
        let total = resident();
        hub.shutdown().await?;
        let more = total.zip(before).map(|(total, before)| total.saturating_sub(before) as f64 / self.count as f64);
        let (total, errors) = (total.map(|bytes| bytes as f64), store.counts.errors());
        Ok(json!(Resident { bytes: more, total, parked, errors }))
    }
}

/// The part that starts a hub on what is there.
#[derive(Debug, Args)]
pub(super) struct StartUp {
    #[arg(long)]
    file: PathBuf,
}

#[derive(Debug, Serialize, Deserialize)]
struct StartedUp {
    open_ms: f64,
    start_ms: f64,
    start_cpu_ms: Option<f64>,
    resident: Option<f64>,
    errors: u64,
}

impl StartUp {
    fn to_args(&self) -> Vec<std::ffi::OsString> {
        vec!["part".into(), "start-up".into(), "--file".into(), self.file.clone().into()]
    }

    pub(super) async fn run(self, acknowledged: Option<Acknowledged>) -> Outcome<serde_json::Value> {
        let begun = Usage::now();
        let store = Place::file(&self.file, acknowledged)?.store(super::Counts::new(None))?;
        let hub = hub(&store)?.start().await?;
        let open_ms = ms(begun.spent().wall);
        store.client(&hub).start(functions::sequence, 1).await?.output().await?;
        let (spent, resident) = (begun.spent(), resident().map(|bytes| bytes as f64));
        hub.shutdown().await?;
        let (start_ms, start_cpu_ms, errors) = (ms(spent.wall), spent.cpu.map(ms), store.counts.errors());
        Ok(json!(StartedUp { open_ms, start_ms, start_cpu_ms, resident, errors }))
    }
}

impl Place {
    fn fresh(dir: PathBuf, acknowledged: Option<Acknowledged>) -> Outcome<Self> {
        Self::new(super::store::StoreKind::Fresh, Some(dir), acknowledged)
    }

    fn file(file: &Path, acknowledged: Option<Acknowledged>) -> Outcome<Self> {
        Self::new(super::store::StoreKind::File(file.to_owned()), None, acknowledged)
    }
}
