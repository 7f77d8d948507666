//! The command line.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use tokio::runtime::Runtime;

use super::acknowledged::Acknowledged;
use super::report::Report;
use super::store::{Place, StoreKind};
use super::{
    Bench, Outcome, due_timers, fan_out, http_api, idle_latency, load, long_sequence, park_and_raise, population,
    sequence, workers,
};

/// Measures durable orchestrations beside what the disk allows. Measure release builds, on a machine that does nothing else.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Options {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, Args)]
struct Common {
    /// Prints one JSON object a row instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Where files are made, and removed afterwards. It must be on the disk that is to be measured. Default is the directory
    /// for temporary files.
    #[arg(long, global = true, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// `sqlite`, a new file for each row; `sqlite:PATH`, this file for all of them; `postgres://...`, a new schema for each row in
    /// this database; `postgres`, the same on a server with stock configuration that is started for it; or `memory`, which has
    /// no budgets. Those of PostgreSQL are figures.
    #[arg(long, global = true, value_name = "STORE", default_value = "sqlite")]
    backend: StoreKind,
    /// For how long a row is measured that has no other end.
    #[arg(long, global = true, value_name = "N", default_value_t = 3.0)]
    seconds: f64,
    /// For how many seconds each row may wait for other programs to leave the processors alone.
    #[arg(long, global = true, value_name = "N", default_value_t = 0.0)]
    wait_for_quiet: f64,
    /// Appends a line of JSON to this file or pipe for whatever was acknowledged: a start, an event or a result when the client
    /// has it, a turn when the store has it. Whatever a line says outlives `kill -9`. It makes figures worse.
    #[arg(long, global = true, value_name = "FILE")]
    acknowledged: Option<PathBuf>,
    /// Threads of the runtime. Default is one for each core, less one for the thread that writes to SQLite. W2 and W7, which compute
    /// more than they write, and other stores leave none.
    #[arg(long, global = true, value_name = "N")]
    threads: Option<NonZeroUsize>,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Measure(Workload),
    /// All of them, in their sizes.
    All,
    /// What a measurement runs in a process of its own.
    #[command(subcommand, hide = true)]
    Part(Part),
}

#[derive(Debug, Subcommand)]
enum Workload {
    /// Throughput: sequences of five activities, many instances at once.
    W1(sequence::Sizes),
    /// Fan-out and fan-in: one instance, many activities at once.
    W2(fan_out::Sizes),
    /// A long life: one instance, many activities one after the other, and its replay.
    W3(long_sequence::Sizes),
    /// Latency from the start to the result, without load.
    W4(idle_latency::Sizes),
    /// Events: many instances that wait, and then go on.
    W5(park_and_raise::Sizes),
    /// Waiting instances: what they cost in memory and when a hub starts.
    W6(population::Sizes),
    /// The HTTP API over loopback.
    W7(http_api::Sizes),
    /// Timers: many that are due at once, and a hub without work.
    W8(due_timers::Sizes),
}

#[derive(Debug, Subcommand)]
enum Part {
    Warm(population::Warm),
    StartUp(population::StartUp),
    Load(load::Load),
    Worker(workers::Worker),
}

impl Part {
    /// Prints the result for the process that has started this one.
    async fn run(self, acknowledged: Option<Acknowledged>) -> Outcome<()> {
        let result = match self {
            Self::Warm(part) => part.run(acknowledged).await?,
            Self::StartUp(part) => part.run(acknowledged).await?,
            Self::Load(part) => part.run().await?,
            Self::Worker(part) => return part.run(acknowledged.as_ref()).await,
        };
        Ok(writeln!(std::io::stdout().lock(), "{result}")?)
    }
}

impl Options {
    /// Measures, and prints each row as it comes.
    ///
    /// # Errors
    ///
    /// A store failed, or an instance did not complete. That a budget is missed is no error.
    ///
    /// # Panics
    ///
    /// Within a runtime, since it has its own.
    pub fn run(self) -> Outcome<()> {
        let Common { json, dir, backend, seconds, wait_for_quiet, acknowledged, threads } = self.common;
        let time = Duration::try_from_secs_f64(seconds)?;
        let patience = Duration::try_from_secs_f64(wait_for_quiet)?;
        let acknowledged = acknowledged.as_deref().map(Acknowledged::open).transpose()?;
        let cores = std::thread::available_parallelism()?;
        let measured = match self.command {
            Command::Part(part) => return runtime(threads.unwrap_or(cores))?.block_on(part.run(acknowledged)),
            Command::Measure(workload) => Some(workload),
            Command::All => None,
        };
        let mut place = Place::new(backend, dir, acknowledged)?;
        for workload in measured.map_or_else(|| Workload::all(&place), |only| vec![only]) {
            let threads = threads.unwrap_or_else(|| workload.threads(&place, cores));
            place = runtime(threads)?.block_on(async {
                let mut bench = Bench::new(place, json, time, patience)?;
                workload.measure(&mut bench).await?;
                Outcome::Ok(bench.place)
            })?;
        }
        Ok(Report::new(json).end()?)
    }
}

fn runtime(threads: NonZeroUsize) -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(threads.get()).enable_all().build()
}

impl Workload {
    /// All of them that can be measured there, in their sizes.
    fn all(place: &Place) -> Vec<Self> {
        let mut all = vec![
            Self::W1(defaults()),
            Self::W2(defaults()),
            Self::W3(defaults()),
            Self::W4(defaults()),
            Self::W5(defaults()),
        ];
        if place.is_file() {
            all.push(Self::W6(defaults()));
        }
        all.extend([Self::W7(defaults()), Self::W8(defaults())]);
        all
    }

    /// A runtime that keeps all cores busy takes the writer's away from it again and again.
    fn threads(&self, place: &Place, cores: NonZeroUsize) -> NonZeroUsize {
        if matches!(self, Self::W2(_) | Self::W7(_)) || !place.is_file() {
            return cores;
        }
        NonZeroUsize::new(cores.get() - 1).unwrap_or(cores)
    }

    async fn measure(&self, bench: &mut Bench) -> Outcome<()> {
        match self {
            Self::W1(sizes) => sequence::measure(bench, sizes).await,
            Self::W2(sizes) => fan_out::measure(bench, sizes).await,
            Self::W3(sizes) => long_sequence::measure(bench, sizes).await,
            Self::W4(sizes) => idle_latency::measure(bench, sizes).await,
            Self::W5(sizes) => park_and_raise::measure(bench, sizes).await,
            Self::W6(sizes) => population::measure(bench, sizes).await,
            Self::W7(sizes) => http_api::measure(bench, sizes).await,
            Self::W8(sizes) => due_timers::measure(bench, sizes).await,
        }
    }
}

/// The sizes of a workload when the command line says nothing.
fn defaults<S: Args>() -> S {
    #[derive(Parser)]
    struct Only<S: Args> {
        #[command(flatten)]
        sizes: S,
    }
    Only::parse_from(["bench"]).sizes
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
        let sizes: sequence::Sizes = defaults();
        assert_eq!(sizes.concurrent, [1, 32, 256, 2048]);
    }
}
