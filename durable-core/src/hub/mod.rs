//! The task hub: an engine, a worker and a client in one process.

mod apply;
mod builder;
mod code;
mod error;

use std::fmt;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::client::Client;
use crate::engine::LocalEngine;
use crate::model::{FunctionName, TaskHubName};
use crate::registry::HttpTrigger;
use crate::worker::Worker;

pub use self::builder::TaskHubBuilder;
pub use self::code::HubCode;
pub use self::error::StartError;

/// A running task hub. Clones share it.
///
/// It runs until [`shutdown`](Self::shutdown) is awaited or the process ends. Ending the process at any moment, also with
/// `kill -9`, loses nothing that was acknowledged: the next start goes on from there.
#[derive(Clone)]
pub struct TaskHub {
    engine: LocalEngine,
    client: Client,
    worker: Arc<Mutex<Option<Worker>>>,
    orchestrators: Arc<[FunctionName]>,
    activities: Arc<[FunctionName]>,
    http_triggers: Arc<[HttpTrigger]>,
}

impl TaskHub {
    /// Starts to describe a task hub.
    pub fn builder() -> TaskHubBuilder {
        TaskHubBuilder::default()
    }

    /// A client of this hub.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// The name of the hub.
    #[must_use]
    pub fn name(&self) -> &TaskHubName {
        self.client.task_hub()
    }

    /// The orchestrators that this hub runs.
    #[must_use]
    pub fn orchestrators(&self) -> &[FunctionName] {
        &self.orchestrators
    }

    /// The activities that this hub runs.
    #[must_use]
    pub fn activities(&self) -> &[FunctionName] {
        &self.activities
    }

    /// The orchestrators that HTTP requests start, as `#[orchestrator(http = "...")]` says. An orchestrator in several versions
    /// is there once; a new instance gets the hub's default version, as in every start without a version.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[orchestrator(http = "hello/{id?}")]
    /// async fn hello(_ctx: OrchestrationContext, name: String) -> String {
    ///     format!("Hello {name}!")
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let hub = TaskHub::builder().backend(Memory::new()).orchestrator(hello).start().await?;
    /// assert_eq!(hub.http_triggers()[0].binding(), "POST hello/{id?}");
    /// # hub.shutdown().await?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    #[must_use]
    pub fn http_triggers(&self) -> &[HttpTrigger] {
        &self.http_triggers
    }

    /// Drains the hub: takes no more work, lets running turns and activities end, and stores everything that only memory
    /// holds. Activities that take longer than the drain timeout are dropped and run again after the next start. The store is
    /// given up: a SQLite file can be opened again, and what clients of this hub ask for is answered by an error that says
    /// that it is shut down.
    ///
    /// # Errors
    ///
    /// The store failed. Nothing that was acknowledged is lost.
    pub async fn shutdown(&self) -> Result<(), crate::backend::BackendError> {
        let worker = self.worker.lock().take();
        let Some(worker) = worker else { return Ok(()) };
        self.engine.stop_giving_work();
        worker.drain().await;
        self.engine.close().await
    }
}

impl fmt::Debug for TaskHub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHub")
            .field("name", self.name())
            .field("orchestrators", &self.orchestrators)
            .field("activities", &self.activities)
            .finish_non_exhaustive()
    }
}
