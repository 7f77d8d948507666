//! Several workers on one store, and what can happen to each of them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::BackendError;
use durable_core::backend::memory::Memory;
use durable_core::client::Client;
use durable_core::engine::Clock;
use durable_core::hub::{StartError, TaskHub, TaskHubBuilder};

use crate::clock::RuntimeClock;
use crate::faults::FaultyBackend;

/// Hubs that share one store in memory, as several processes share a database, on the clock of the test's runtime.
///
/// The clock must be paused. Then leases end, heartbeats are due and workers are found dead within no time at all, and in the
/// same order in every run.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::fleet::Fleet;
///
/// #[orchestrator]
/// async fn order(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
///     ctx.wait_for_external_event("paid").await
/// }
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap().block_on(async {
/// let fleet = Fleet::new();
/// let first = fleet.launch(|hub| hub.orchestrator(order)).await?;
/// let second = fleet.launch(|hub| hub.orchestrator(order)).await?;
///
/// let run = first.client().start(order, ()).id("order-1").await?;
/// run.wait_for_start().await?;
/// first.kill(); // after three heartbeats the second one takes over
///
/// let run = second.client().instance::<String, _>("order-1")?;
/// run.raise_event("paid", &"in cash").await?;
/// assert_eq!(run.output().await?, "in cash");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[derive(Debug, Clone)]
pub struct Fleet {
    store: Memory,
    clock: RuntimeClock,
}

impl Fleet {
    /// A fleet without members.
    #[must_use]
    pub fn new() -> Self {
        let clock = RuntimeClock::new();
        Self { store: Memory::shared_at(move || clock.now()), clock }
    }

    /// The store that all of them share, for a look behind their backs.
    #[must_use]
    pub fn store(&self) -> &Memory {
        &self.store
    }

    /// Starts another worker. `describe` says what it runs; it gets a hub that has its store and its clock.
    ///
    /// # Errors
    ///
    /// [`StartError`] with every mistake of the description.
    pub async fn launch(&self, describe: impl FnOnce(TaskHubBuilder) -> TaskHubBuilder) -> Result<Member, StartError> {
        let store = Arc::new(FaultyBackend::new(Arc::new(self.store.clone())));
        let hub = TaskHub::builder().backend(Arc::clone(&store)).clock(self.clock);
        Ok(Member { hub: describe(hub).start().await?, store })
    }

    /// Lets time pass: everything that is due meanwhile happens.
    pub async fn pass(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

impl Default for Fleet {
    fn default() -> Self {
        Self::new()
    }
}

/// One worker of a [`Fleet`].
pub struct Member {
    hub: TaskHub,
    store: Arc<FaultyBackend>,
}

impl Member {
    /// The hub.
    #[must_use]
    pub fn hub(&self) -> &TaskHub {
        &self.hub
    }

    /// A client of this worker.
    #[must_use]
    pub fn client(&self) -> Client {
        self.hub.client()
    }

    /// The way from this worker to the store, for more faults.
    #[must_use]
    pub fn faults(&self) -> &FaultyBackend {
        &self.store
    }

    /// The worker dies without a word: nothing of it reaches the store any more. An activity that runs right now goes on, as
    /// one does whose process has only lost its connection, but its result reaches nobody.
    pub fn kill(self) {
        self.store.hold();
    }

    /// The worker stands still: no sign of life and nothing else of it reaches the store, until [`thaw`](Self::thaw).
    pub fn freeze(&self) {
        self.store.hold();
    }

    /// The worker goes on where it stood, and learns what has happened meanwhile.
    pub fn thaw(&self) {
        self.store.resume();
    }

    /// Whether what this worker tells the others gets lost. They find out all the same, at their next heartbeat.
    pub fn lose_hints(&self, lose: bool) {
        self.store.lose_hints(lose);
    }

    /// Shuts the worker down in order.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn drain(self) -> Result<(), BackendError> {
        self.hub.shutdown().await
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member").field("hub", &self.hub).finish_non_exhaustive()
    }
}
