//! Copies of a world.

use std::fmt;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;
use durable_core::model::Timestamp;

use super::World;
use super::core::{Core, Memories, Plan};
use super::gate::Gate;
use super::time::Moment;

/// A world as it stood when [`World::snapshot`] was called. Any number of worlds can go on from it.
#[derive(Clone)]
pub struct Snapshot {
    pub(super) plan: Plan,
    pub(super) store: Memory,
    pub(super) now: Moment,
    pub(super) memories: Memories,
}

impl Snapshot {
    /// A world that goes on from here. It shares nothing with others that do so.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    #[must_use]
    pub fn restore(&self) -> World {
        let store = self.store.fork();
        World::of(Core::start(self.plan.clone(), store, self.now, self.memories.clone()))
    }

    /// The time at which it was taken.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now.coarse
    }
}

impl World {
    /// Keeps this world as it stands: its instances, its clock, and the answers and calls of its mocks.
    ///
    /// No future can be copied: the worlds that are made of it run the code of its instances again on their histories, as a
    /// hub does after a restart. Timers keep their due times. Mocked activities that are under way go on, and answer when they
    /// would have answered; real ones begin again. [Faults](Self::faults) are not copied, and what was given to
    /// [`WorldBuilder::state`](super::WorldBuilder::state) is shared.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// const DAY: Duration = Duration::from_secs(24 * 3600);
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     let answer = ctx.wait_for_external_event::<bool>("Approval").timeout(3 * DAY);
    ///     Ok(answer.await.unwrap_or(false))
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// let run = world.start_as("order-7", approval, ());
    /// world.advance(2 * DAY);
    ///
    /// let second_day = world.snapshot();
    /// for answer in [true, false] {
    ///     let world = second_day.restore();
    ///     let run = world.instance::<bool>("order-7");
    ///     run.raise("Approval", &answer);
    ///     assert_eq!(run.output(), answer);
    /// }
    /// assert!(!run.is_finished());
    /// assert_eq!(run.output(), false);
    /// assert_eq!(world.elapsed(), 3 * DAY);
    /// ```
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let core = &self.0;
        core.settle();
        core.object();
        let store = core.store.fork();
        forget_worker(core, &store);
        let memories = Memories { tables: core.mocks.tables(), executions: core.journal.executions() };
        // A copy is not part of the trial, nor of an exploration: its answers would take the places of others.
        let plan = Plan { trial: None, gate: Gate::default(), ..core.plan.clone() };
        Snapshot { plan, store, now: core.time.clock().moment(), memories }
    }

    /// A copy of this world as it stands, which goes its own way from here: what happens in one of them does not happen in the
    /// other. As [`snapshot`](Self::snapshot) and [`Snapshot::restore`].
    ///
    /// ```
    /// # use durable_core::prelude::*;
    /// # use durable_testing::World;
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     ctx.wait_for_external_event("Approval").await
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// let run = world.start(approval, ());
    /// let other = world.fork();
    /// other.instance_of(&run).raise("Approval", &true);
    /// assert!(other.instance_of(&run).is_finished());
    /// assert!(!run.is_finished());
    /// ```
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    #[must_use]
    pub fn fork(&self) -> Self {
        self.snapshot().restore()
    }

    /// The same instance in this world, which is a copy of the other's.
    #[must_use]
    pub fn instance_of<O>(&self, other: &super::Instance<O>) -> super::Instance<O> {
        super::Instance::new(std::sync::Arc::clone(&self.0), other.id().clone())
    }
}

/// Has the worker that runs a world count as drained in a copy of its store: a copy is no crash.
fn forget_worker(core: &Core, copy: &Memory) {
    let ended = core.time.run(async {
        let next = copy.attach("a copy", std::time::Duration::ZERO).await?.worker;
        for worker in [durable_core::backend::WorkerId(next.0 - 1), next] {
            copy.detach(worker).await?;
        }
        Ok::<(), durable_core::backend::BackendError>(())
    });
    if let Err(error) = ended {
        unreachable!("a store in memory does not fail: {error}");
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("now", &self.now()).finish_non_exhaustive()
    }
}
