//! The benchmark: one workload a file, each with its budgets.
//!
//! Budgets are ratios to a bare loop on the same disk in the same minutes, because absolute figures say more about the
//! machine than about the engine. `ceiling.rs` has the bare loops, and `ceiling_postgres.rs` those of PostgreSQL.

mod acknowledged;
mod ceiling;
mod ceiling_postgres;
mod counted;
mod crowd;
mod due_timers;
mod fan_out;
mod functions;
mod http_api;
mod idle_latency;
mod latencies;
mod load;
mod long_sequence;
mod options;
mod park_and_raise;
mod population;
mod replay;
mod report;
mod sequence;
mod store;
mod usage;
mod verdict;
mod workers;

use std::error::Error;
use std::time::{Duration, Instant};

use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;

pub use self::acknowledged::{Line, What};
use self::ceiling::Ceiling;
use self::counted::Counts;
use self::functions::SharedMarks;
pub use self::options::Options;
use self::report::{Canary, MOST_FOREIGN, Report, Row};
use self::store::{Place, Store};
use self::usage::{Machine, Spent};
use self::verdict::NOT_MEASURED;

/// What a workload ends with.
type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Bare commits of which the canary is the median.
const CANARY: usize = 100;

/// How long one look at the other programs takes.
const GLANCE: Duration = Duration::from_secs(1);

/// What all workloads need.
struct Bench {
    place: Place,
    bare: Box<dyn Ceiling>,
    report: Report,
    /// How long a row takes that has no other end.
    time: Duration,
    /// How long it may wait before that, for a quiet machine.
    patience: Duration,
}

impl Bench {
    fn new(place: Place, is_json: bool, time: Duration, patience: Duration) -> Outcome<Self> {
        let bare = place.ceiling()?;
        Ok(Self { place, bare, report: Report::new(is_json), time, patience })
    }

    /// Begins a row: how fast is the disk at this moment, and who else is there?
    async fn look(&mut self) -> Outcome<Look> {
        let begun = Instant::now();
        while begun.elapsed() < self.patience {
            let machine = Machine::now(self.bare.server());
            tokio::time::sleep(GLANCE).await;
            if machine.foreign_cores() <= MOST_FOREIGN {
                break;
            }
        }
        Ok(Look { commit: self.canary()?, machine: Machine::now(self.bare.server()) })
    }

    /// Ends a row.
    fn since(&mut self, before: &Look) -> Outcome<Canary> {
        let foreign = before.machine.foreign_cores();
        Ok(Canary { before: before.commit, after: self.canary()?, foreign })
    }

    /// The p50 of a bare commit at this moment, in milliseconds.
    fn canary(&mut self) -> Outcome<f64> {
        Ok(self.bare.single_commits(CANARY)?.median_ms())
    }

    fn store(&self) -> Outcome<Store> {
        self.place.store(Counts::new(None))
    }

    /// KiB for each of `count` things. What a server writes is not what this process writes.
    fn kib_each(&self, spent: Spent, count: f64) -> f64 {
        if self.place.is_file() { spent.kib_each(count) } else { NOT_MEASURED }
    }

    /// Prints a row. The budgets are those of a file; where nothing is durable, there is not even a ceiling to compare with.
    fn print(&mut self, row: Row) -> Outcome<()> {
        let row = match (self.place.is_file(), self.place.is_durable()) {
            (true, _) => row,
            (_, true) => row.with_budgets_as_figures(),
            (_, false) => row.without_budgets(),
        };
        Ok(self.report.row(&row)?)
    }
}

/// The machine as a row begins.
struct Look {
    commit: f64,
    machine: Machine,
}

/// A hub with the functions of the benchmark.
fn hub(store: &Store) -> Outcome<TaskHubBuilder> {
    hub_with(store, SharedMarks::default())
}

fn hub_with(store: &Store, marks: SharedMarks) -> Outcome<TaskHubBuilder> {
    Ok(functions::functions(TaskHub::builder().name(HUB), marks).backend(store.open()?))
}

/// The name of the hub.
pub const HUB: &str = "Bench";

/// Adds every orchestrator and activity of the benchmark.
pub fn functions(hub: TaskHubBuilder) -> TaskHubBuilder {
    functions::functions(hub, SharedMarks::default())
}

/// Runs what blocks for a while, without holding other tasks up.
fn on_this_thread<T>(work: impl FnOnce() -> T) -> T {
    tokio::task::block_in_place(work)
}
