//! The workloads of the benchmark with duroxide on SQLite. STORE is an empty directory.
//!
//! The configurations: `default`, which flushes at checkpoints only; `full`, the same with a flush for each commit; and
//! `tuned`, which has the lowest latency. An instance has ended when its function returns, before its last commit and before
//! a client that polls can see it: the best that can be said of it.

#[path = "../../harness.rs"]
mod harness;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use duroxide::providers::sqlite::SqliteProvider;
use duroxide::runtime::registry::ActivityRegistry;
use duroxide::runtime::{Runtime, RuntimeOptions};
use duroxide::{ActivityContext, Client, OrchestrationContext, OrchestrationRegistry, OrchestrationStatus};
use futures_util::future::try_join_all;
use harness::{Cell, Outcome, Peer};
use tokio::sync::oneshot;
use tokio::time::sleep;

/// Longer than anything is measured.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

/// How many connections its pool has.
const CONNECTIONS: usize = 5;

#[tokio::main]
async fn main() -> Outcome<()> {
    let cell = Cell::from_args()?;
    let peer = Duroxide::start(&cell).await?;
    cell.measure("duroxide", peer).await
}

struct Duroxide {
    client: Client,
    ends: Arc<Ends>,
    started: AtomicU64,
    /// Runs as long as it is held.
    _runtime: Arc<Runtime>,
}

impl Duroxide {
    async fn start(cell: &Cell) -> Outcome<Self> {
        let store = Arc::new(open(Path::new(&cell.store)).await?);
        let mut options = RuntimeOptions::default();
        match cell.config.as_str() {
            "default" => {}
            "full" => flush_each_commit(&store).await?,
            "tuned" => {
                options.dispatcher_min_poll_interval = Duration::from_millis(1);
                options.orchestration_concurrency = 1;
                options.worker_concurrency = 1;
            }
            _ => return Err("duroxide's configurations are default, full and tuned".into()),
        }
        let ends = Arc::new(Ends::default());
        let activities = ActivityRegistry::builder().register("no_op", no_op).build();
        let orchestrations = orchestrations(&ends);
        let runtime = Runtime::start_with_options(store.clone(), activities, orchestrations, options).await;
        Ok(Self { client: Client::new(store), ends, started: AtomicU64::new(0), _runtime: runtime })
    }

    /// Starts an instance, and gives its identifier.
    async fn begin(&self, orchestration: &str, activities: u64) -> Outcome<Parked> {
        let id = format!("instance-{}", self.started.fetch_add(1, Ordering::Relaxed));
        let end = self.ends.expect(&id);
        self.client.start_orchestration(&id, orchestration, activities.to_string()).await?;
        Ok(Parked { id, end })
    }
}

async fn open(dir: &Path) -> Outcome<SqliteProvider> {
    let url = format!("sqlite:{}?mode=rwc", dir.join("duroxide.db").display());
    Ok(SqliteProvider::new(&url, None).await?)
}

async fn flush_each_commit(store: &SqliteProvider) -> Outcome<()> {
    // All are taken before the first is given back, so that it is none twice.
    let connections = try_join_all((0..CONNECTIONS).map(|_| store.get_pool().acquire())).await?;
    for mut connection in connections {
        sqlx::query("PRAGMA synchronous = FULL").execute(&mut *connection).await?;
    }
    Ok(())
}

async fn no_op(_: ActivityContext, _: String) -> Result<String, String> {
    harness::no_op();
    Ok(String::new())
}

fn orchestrations(ends: &Arc<Ends>) -> OrchestrationRegistry {
    let [sequence_ends, fan_out_ends, waiting_ends] = [(); 3].map(|()| Arc::clone(ends));
    OrchestrationRegistry::builder()
        .register("sequence", move |context, input| {
            let ends = Arc::clone(&sequence_ends);
            async move {
                sequence(&context, &input).await?;
                ends.ended(&context)
            }
        })
        .register("fan_out", move |context, input| {
            let ends = Arc::clone(&fan_out_ends);
            async move {
                fan_out(&context, &input).await?;
                ends.ended(&context)
            }
        })
        .register("waiting", move |context, _| {
            let ends = Arc::clone(&waiting_ends);
            async move {
                context.schedule_wait("go").await;
                ends.ended(&context)
            }
        })
        .build()
}

async fn sequence(context: &OrchestrationContext, activities: &str) -> Result<(), String> {
    for _ in 0..count(activities)? {
        context.schedule_activity("no_op", "").await?;
    }
    Ok(())
}

async fn fan_out(context: &OrchestrationContext, activities: &str) -> Result<(), String> {
    let calls = (0..count(activities)?).map(|_| context.schedule_activity("no_op", "")).collect();
    context.join(calls).await.into_iter().try_for_each(|result| result.map(drop))
}

fn count(input: &str) -> Result<u64, String> {
    input.parse().map_err(|_| format!("not a number: {input}"))
}

/// Whom to tell that an instance has ended.
#[derive(Default)]
struct Ends(Mutex<HashMap<String, oneshot::Sender<()>>>);

impl Ends {
    fn expect(&self, id: &str) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned(), sender);
        receiver
    }

    /// The result of each orchestration.
    fn ended(&self, context: &OrchestrationContext) -> Result<String, String> {
        let expected = self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&context.instance_id());
        // A turn that could not be committed is run again.
        if let Some(sender) = expected {
            // The receiver is gone when the time is over.
            let _ = sender.send(());
        }
        Ok(String::new())
    }
}

struct Parked {
    id: String,
    end: oneshot::Receiver<()>,
}

impl Peer for Duroxide {
    type Parked = Parked;

    async fn sequence(&self, activities: u64) -> Outcome<()> {
        Ok(self.begin("sequence", activities).await?.end.await?)
    }

    async fn fan_out(&self, activities: u64) -> Outcome<()> {
        Ok(self.begin("fan_out", activities).await?.end.await?)
    }

    async fn sequence_for_client(&self, activities: u64) -> Outcome<()> {
        let Parked { id, .. } = self.begin("sequence", activities).await?;
        match self.client.wait_for_orchestration(&id, FOR_EVER).await? {
            OrchestrationStatus::Completed { .. } => Ok(()),
            status => Err(format!("not completed: {status:?}").into()),
        }
    }

    async fn park(&self) -> Outcome<Parked> {
        self.begin("waiting", 0).await
    }

    /// An event for an instance that does not wait yet is dropped, so this looks at what is committed.
    async fn all_wait(&self, instances: &[Parked]) -> Outcome<()> {
        loop {
            let metrics = self.client.get_system_metrics().await?;
            if metrics.failed_instances > 0 {
                return Err(format!("{} instances failed", metrics.failed_instances).into());
            }
            if metrics.running_instances >= instances.len() as u64 {
                return Ok(());
            }
            sleep(Duration::from_millis(50)).await;
        }
    }

    async fn raise(&self, instance: &Parked) -> Outcome<()> {
        Ok(self.client.raise_event(&instance.id, "go", "").await?)
    }

    async fn ended(&self, instance: Parked) -> Outcome<()> {
        Ok(instance.end.await?)
    }
}
