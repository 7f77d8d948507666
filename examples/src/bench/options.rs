//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use super::store::{Place, StoreKind};
use super::{Bench, Outcome, fan_out, idle_latency, long_sequence, sequence};

/// Measures durable orchestrations beside what the disk allows. Measure release builds, on a machine that does nothing else.
#[derive(Debug, Parser)]
#[command(name = "bench")]
pub struct Options {
    #[command(subcommand)]
    workload: Workload,
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
    /// `sqlite`, a new file for each row; `sqlite:PATH`, this file for all of them; or `memory`, which has no budgets.
    #[arg(long, global = true, value_name = "STORE", default_value = "sqlite")]
    backend: StoreKind,
    /// For how long a row is measured that has no other end.
    #[arg(long, global = true, value_name = "N", default_value_t = 3.0)]
    seconds: f64,
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
    /// All of them, in their sizes.
    All,
}

impl Options {
    /// Measures, and prints each row as it comes.
    ///
    /// # Errors
    ///
    /// A store failed, or an instance did not complete. That a budget is missed is no error.
    pub async fn run(self) -> Outcome<()> {
        let Common { json, dir, backend, seconds } = self.common;
        let time = Duration::try_from_secs_f64(seconds)?;
        let bench = &mut Bench::new(Place::new(backend, dir), json, time)?;
        match self.workload {
            Workload::W1(sizes) => sequence::measure(bench, &sizes).await,
            Workload::W2(sizes) => fan_out::measure(bench, &sizes).await,
            Workload::W3(sizes) => long_sequence::measure(bench, &sizes).await,
            Workload::W4(sizes) => idle_latency::measure(bench, &sizes).await,
            Workload::All => all(bench).await,
        }
    }
}

async fn all(bench: &mut Bench) -> Outcome<()> {
    sequence::measure(bench, &defaults()).await?;
    fan_out::measure(bench, &defaults()).await?;
    long_sequence::measure(bench, &defaults()).await?;
    idle_latency::measure(bench, &defaults()).await
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
