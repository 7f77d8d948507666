//! Worlds that are not in memory.

use std::sync::Arc;

use durable_core::backend::Backend;

use super::WorldBuilder;
use super::core::Plan;

impl WorldBuilder {
    /// Keeps the instances of the world in another backend than memory. The closure opens it: when the world begins, and again for
    /// each process that follows after a [crash](super::World::crash) or a [restart](super::World::restart), when the one before is closed. So it
    /// opens the same file or the same database each time.
    ///
    /// The backend may have threads and need real time. The clock of the world stands still during its calls, which are made one
    /// after the other: so the same story is the same in each run. It is opened and called within a tokio runtime of its own.
    ///
    /// Such a world cannot be [copied](super::World::fork) and cannot go back in a [history](super::World::at).
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     ctx.wait_for_external_event("Approval").await
    /// }
    ///
    /// # let store = durable_core::backend::memory::Memory::new();
    /// let world = World::builder().backend(move || store.clone()).orchestrator(approval).build();
    /// let run = world.start(approval, ());
    /// world.crash();
    /// run.raise("Approval", &true);
    /// assert!(run.output());
    /// ```
    pub fn backend<B: Backend>(mut self, open: impl Fn() -> B + Send + Sync + 'static) -> Self {
        let open = Arc::new(move || Arc::new(open()) as Arc<dyn Backend>);
        self.plan.store = Some(Arc::new(move || open.clone()));
        self
    }

    /// Keeps the instances of the world in a SQLite file, in a directory that goes away with the world. A crash closes the file
    /// and opens it again. As [`backend`](Self::backend).
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn nap(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ///     ctx.create_timer(Duration::from_secs(3600)).await;
    ///     Ok(())
    /// }
    ///
    /// let world = World::builder().sqlite().orchestrator(nap).build();
    /// let run = world.start(nap, ());
    /// world.crash();
    /// run.output();
    /// assert_eq!(world.elapsed(), Duration::from_secs(3600));
    /// ```
    ///
    /// # Panics
    ///
    /// Later, in [`build`](Self::build) and at a crash: when the directory or the file cannot be made or opened.
    #[cfg(feature = "sqlite")]
    pub fn sqlite(mut self) -> Self {
        use durable_core::backend::sqlite::Sqlite;

        self.plan.store = Some(Arc::new(|| {
            // Nothing of a test must survive the end of the system, and files in memory are many times faster.
            let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
            let dir = dir.unwrap_or_else(|error| panic!("there is no directory for the file: {error}"));
            Arc::new(move || {
                // A process that dies loses nothing of what the system has taken.
                let opened = Sqlite::options().relaxed_durability().open(dir.path().join("hub.db"));
                Arc::new(opened.unwrap_or_else(|error| panic!("{error}")))
            })
        }));
        self
    }
}

/// Runs a story in memory, and once more on a SQLite file. The outcome must be the same, and is given.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::world::on_every_store;
///
/// #[orchestrator]
/// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
///     ctx.wait_for_external_event("Approval").await
/// }
///
/// on_every_store(|world| {
///     let world = world.orchestrator(approval).build();
///     let run = world.start(approval, ());
///     world.crash();
///     run.raise("Approval", &true);
///     assert!(run.output());
/// });
/// ```
///
/// # Panics
///
/// When the story panics, or the outcomes differ.
#[cfg(feature = "sqlite")]
#[track_caller]
pub fn on_every_store<T: PartialEq + std::fmt::Debug>(story: impl Fn(WorldBuilder) -> T) -> T {
    let in_memory = story(WorldBuilder::new());
    let in_a_file = story(WorldBuilder::new().sqlite());
    assert!(
        in_memory == in_a_file,
        "the story has another outcome in a file\n  in memory: {in_memory:?}\n  in a file: {in_a_file:?}"
    );
    in_memory
}

impl Plan {
    /// A copy of a world needs a copy of its store.
    #[track_caller]
    pub(super) fn must_be_in_memory(&self) {
        assert!(self.store.is_none(), "only a world in memory can be copied or go back: this one has another backend");
    }
}
