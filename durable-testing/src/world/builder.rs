//! Describing a world.

use std::fmt;
use std::sync::Arc;

use durable_core::activity::{ActivityDefinition, ActivityItem};
use durable_core::backend::memory::Memory;
use durable_core::hub::TaskHubBuilder;
use durable_core::model::{FunctionName, Timestamp};
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};

use super::World;
use super::core::{Core, Memories, Plan};
use super::gate::Gate;
use super::ids::SEED;
use super::journal::Checks;
use super::shapes::{Shape, Shapes};
use super::time::Moment;
use crate::or_fail::OrFail as _;

/// The beginning of 2024: 2024-01-01T00:00:00Z.
const START: i64 = 17_040_672_000_000_000;

/// The description of a world. Made by [`World::builder`].
#[must_use = "a world begins only with `build`"]
#[derive(Clone)]
pub struct WorldBuilder {
    pub(super) plan: Plan,
}

impl WorldBuilder {
    pub(super) fn new() -> Self {
        Self {
            plan: Plan {
                parts: Vec::new(),
                activities: Vec::new(),
                mocked: Vec::new(),
                checks: Checks::default(),
                start: Timestamp::from_ticks(START),
                seed: SEED,
                trial: None,
                gate: Gate::default(),
                shapes: Shapes::default(),
                keeps_logs: false,
                store: None,
            },
        }
    }

    fn part(mut self, part: impl Fn(TaskHubBuilder) -> TaskHubBuilder + Send + Sync + 'static) -> Self {
        self.plan.parts.push(Arc::new(part));
        self
    }

    /// Adds an orchestrator.
    pub fn orchestrator<M, F>(mut self, orchestrator: F) -> Self
    where
        F: OrchestratorItem<M> + Copy + Send + Sync + 'static,
    {
        let (name, shape) = orchestrator_shape::<F::Definition>();
        self.plan.shapes.orchestrator(name, shape);
        self.part(move |hub| hub.orchestrator(orchestrator))
    }

    /// Adds a real activity. One that is neither here nor mocked fails the test when it is called; a mock goes before the real
    /// one.
    pub fn activity<M, F>(mut self, activity: F) -> Self
    where
        F: ActivityItem<M> + Copy + Send + Sync + 'static,
    {
        let (name, shape) = activity_shape::<F::Definition>();
        self.plan.shapes.activity(name.clone(), shape);
        self.plan.activities.push(name);
        self.part(move |hub| hub.activity(activity))
    }

    /// Declares a sub-orchestration that is only mocked, with [`World::mock_orchestrator`]. A call of one that is neither here
    /// nor added fails the test.
    ///
    /// # Panics
    ///
    /// Never: the annotation has checked the name.
    pub fn mocked_orchestrator<M, F: OrchestratorItem<M>>(mut self, _orchestrator: F) -> Self {
        let (name, shape) = orchestrator_shape::<F::Definition>();
        self.plan.shapes.orchestrator(name.clone(), shape);
        self.plan.mocked.push(name);
        self
    }

    /// Gives activities a value that they take as a `State<T>` argument.
    pub fn state<T: Clone + Send + Sync + 'static>(self, value: T) -> Self {
        self.part(move |hub| hub.state(value.clone()))
    }

    /// Describes the hub further, as a program does: its limits, versions, policies, or all of its functions. Activities that
    /// are added in this way count as mocked unless [`activity`](Self::activity) or [`real`](Self::real) says otherwise.
    pub fn hub(self, describe: impl Fn(TaskHubBuilder) -> TaskHubBuilder + Send + Sync + 'static) -> Self {
        self.part(describe)
    }

    /// Lets an activity that [`hub`](Self::hub) adds run as it is.
    ///
    /// # Panics
    ///
    /// When it is no name.
    #[track_caller]
    pub fn real(mut self, activity: &str) -> Self {
        let name = FunctionName::new(activity).or_fail(|error| error.to_string());
        self.plan.activities.push(name);
        self
    }

    /// Lets the clock begin here instead of at the beginning of 2024. It has a resolution of a millisecond.
    pub fn start_at(mut self, start: Timestamp) -> Self {
        self.plan.start = start;
        self
    }

    /// Sets from what the ids follow that nobody has chosen: those of instances and of executions. From them follow the random
    /// numbers of orchestrations, and with the times their GUIDs. The same story has the same ones in each run; with another
    /// seed it has others. The seed is 0 as long as none is set.
    ///
    /// These ids look as they do in production: 32 hexadecimal digits in lower case. None comes twice in a world, whatever happens
    /// to its process. A [copy](World::fork) gives out the ids that the world itself would have given out next.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[orchestrator]
    /// async fn dice(ctx: OrchestrationContext) -> u64 { ctx.rng().random_range(1..1_000_000) }
    ///
    /// let thrown = |seed| World::builder().orchestrator(dice).seed(seed).build().start(dice, ()).output();
    /// assert_eq!(thrown(7), thrown(7));
    /// assert_ne!(thrown(7), thrown(8));
    /// ```
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// Replays every turn cold, instead of the first 64 of an execution, those at doublings, and the last one.
    pub fn exhaustive(mut self) -> Self {
        self.plan.checks.exhaustive = true;
        self
    }

    /// Runs no turn once more: neither [cold replays](Self::without_cold_replay_checks) nor
    /// [double executions](Self::without_double_execution_checks) are looked at.
    pub fn without_replay_checks(self) -> Self {
        self.without_cold_replay_checks().without_double_execution_checks()
    }

    /// Does not look whether a fresh executor can replay the history before a turn.
    pub fn without_cold_replay_checks(mut self) -> Self {
        self.plan.checks.cold_replay = false;
        self
    }

    /// Does not look whether a turn does the same when it is run once more, behind a replay of the history before it.
    pub fn without_double_execution_checks(mut self) -> Self {
        self.plan.checks.double_execution = false;
        self
    }

    /// Does not look for what is left over at the end: calls that nobody has awaited, and external events that a completed
    /// instance has not read.
    pub fn without_leak_checks(mut self) -> Self {
        self.plan.checks.leaks = false;
        self
    }

    /// Does not read payloads and write them again.
    pub fn without_round_trip_checks(mut self) -> Self {
        self.plan.checks.round_trips = false;
        self
    }

    /// Lets instances stall or fail because of their code without failing the test at once, as
    /// [`without_stall_checks`](Self::without_stall_checks) and
    /// [`without_foreign_await_checks`](Self::without_foreign_await_checks) together: the test looks for that itself.
    pub fn allows_stalls(self) -> Self {
        self.without_stall_checks().without_foreign_await_checks()
    }

    /// Lets instances stall or fail whose code is missing or does not fit their history, without failing the test at once.
    pub fn without_stall_checks(mut self) -> Self {
        self.plan.checks.stalls = false;
        self
    }

    /// Lets instances fail that await what is not durable, without failing the test at once.
    pub fn without_foreign_await_checks(mut self) -> Self {
        self.plan.checks.foreign_awaits = false;
        self
    }

    /// Lets calls of sub-orchestrations that the world does not know just fail, as they do in production, without failing the
    /// test.
    pub fn without_missing_child_checks(mut self) -> Self {
        self.plan.checks.children = false;
        self
    }

    /// Tells everything that the checks have found, not only the first complaint about each instance and the number of others.
    pub fn all_complaints(mut self) -> Self {
        self.plan.checks.all_complaints = true;
        self
    }

    /// Keeps what is logged with `tracing` for [`World::logs`]. As long as the world runs, nothing of it reaches the subscriber
    /// of the program.
    pub fn keeps_logs(mut self) -> Self {
        self.plan.keeps_logs = true;
        self
    }

    /// Holds the answers of activities back.
    pub(super) fn gate(mut self, gate: Gate) -> Self {
        self.plan.gate = gate;
        self
    }

    /// Begins the world.
    ///
    /// # Panics
    ///
    /// When the description of its hub has mistakes: all of them are listed. When its store cannot be opened.
    #[track_caller]
    #[must_use]
    pub fn build(self) -> World {
        let start = Moment::new(self.plan.start);
        World::of(Core::start(self.plan, Memory::new(), start, Memories::default()))
    }
}

/// The name and the types of an activity.
pub(super) fn activity_shape<D: ActivityDefinition>() -> (FunctionName, Shape) {
    (FunctionName::new(D::NAME).expect("checked by its annotation"), Shape::of::<D::Input, D::Output>())
}

/// The name and the types of an orchestrator.
fn orchestrator_shape<D: OrchestratorDefinition>() -> (FunctionName, Shape) {
    (FunctionName::new(D::NAME).expect("checked by its annotation"), Shape::of::<D::Input, D::Output>())
}

impl fmt::Debug for WorldBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WorldBuilder").field("start", &self.plan.start).finish_non_exhaustive()
    }
}
