//! The workloads of the benchmark with DBOS. STORE is the address of a PostgreSQL database, which it makes itself.

#[path = "../../harness.rs"]
mod harness;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use dbos::{Config, DBOS, WorkflowHandle, WorkflowRef};
use futures_util::future::try_join_all;
use harness::{Cell, Outcome, Peer};
use tokio::time::sleep;

/// Longer than anything is measured.
const FOR_EVER: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::main]
async fn main() -> Outcome<()> {
    let cell = Cell::from_args()?;
    let peer = Dbos::launch(&cell).await?;
    cell.measure("dbos", peer).await
}

struct Dbos {
    dbos: DBOS,
    sequence: WorkflowRef<u64, ()>,
    fan_out: WorkflowRef<u64, ()>,
    waiting: WorkflowRef<(), ()>,
    /// Instances that came as far as their wait.
    parked: Arc<AtomicUsize>,
}

impl Dbos {
    async fn launch(cell: &Cell) -> Outcome<Self> {
        if cell.config != "default" {
            return Err("dbos has one configuration, default".into());
        }
        let config = Config::new("bench", &cell.store);
        let dbos = DBOS::new(Config { app_version: Some("1".to_owned()), ..config });
        let parked = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&parked);
        let peer = Self {
            sequence: dbos.register_workflow("sequence", sequence)?,
            fan_out: dbos.register_workflow("fan_out", fan_out)?,
            waiting: dbos.register_workflow("waiting", move |()| {
                counter.fetch_add(1, Ordering::Relaxed);
                wait()
            })?,
            dbos,
            parked,
        };
        peer.dbos.launch().await?;
        Ok(peer)
    }
}

async fn sequence(activities: u64) -> dbos::Result<()> {
    for _ in 0..activities {
        dbos::step("no_op", no_op).await?;
    }
    Ok(())
}

async fn fan_out(activities: u64) -> dbos::Result<()> {
    try_join_all((0..activities).map(|_| dbos::step("no_op", no_op))).await?;
    Ok(())
}

async fn wait() -> dbos::Result<()> {
    dbos::recv::<(), _>(None, FOR_EVER).await?;
    Ok(())
}

async fn no_op() -> dbos::Result<()> {
    harness::no_op();
    Ok(())
}

impl Peer for Dbos {
    type Parked = WorkflowHandle<()>;

    async fn sequence(&self, activities: u64) -> Outcome<()> {
        Ok(self.sequence.run(activities).await?)
    }

    async fn fan_out(&self, activities: u64) -> Outcome<()> {
        Ok(self.fan_out.run(activities).await?)
    }

    async fn park(&self) -> Outcome<Self::Parked> {
        Ok(self.waiting.start(()).await?)
    }

    async fn all_wait(&self, instances: &[Self::Parked]) -> Outcome<()> {
        while self.parked.load(Ordering::Relaxed) < instances.len() {
            sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    async fn raise(&self, instance: &Self::Parked) -> Outcome<()> {
        Ok(self.dbos.send(instance.workflow_id(), &()).await?)
    }

    async fn ended(&self, instance: Self::Parked) -> Outcome<()> {
        Ok(instance.result().await?)
    }
}
