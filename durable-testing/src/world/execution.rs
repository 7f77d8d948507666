//! One execution of an instance, also one that is over because the instance has continued as new.

use durable_core::backend::Backend as _;
use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent};
use durable_core::model::{ExecutionId, InstanceId, Timestamp};
use serde::de::DeserializeOwned;

use super::assert::History;
use super::executions::Executions;
use super::ledger::now;
use super::texts::history_lines;
use super::travel_error::TravelError;
use super::words::Numbers;
use super::{Instance, World};
use crate::or_fail::OrFail as _;

/// One execution of an instance, as it was when [`Instance::executions`] gave it: the current one, or one that has ended since
/// the instance continued as new.
///
/// [`assert_history!`](crate::assert_history) takes it, and [`World::at_execution`] goes back into it.
#[derive(Debug, Clone)]
pub struct Execution {
    instance: InstanceId,
    id: ExecutionId,
    /// The one that has followed it.
    next: Option<ExecutionId>,
    generation: u32,
    history: Vec<HistoryEvent>,
    /// The beginning of the world.
    start: Timestamp,
}

impl<O> Instance<O> {
    /// All of its executions that this world has seen, in their order; the last one is the current one.
    ///
    /// A store keeps the history of the current execution only: when an instance continues as new, the one before goes away. The
    /// world remembers it, over crashes as well and whatever its [store](super::WorldBuilder::backend). It does not know what was
    /// before it began: executions before those of [recorded histories](super::WorldBuilder::from_histories), and those that
    /// another world has left in the same database. Those of an earlier instance under the same id do not belong to this one;
    /// [`World::at_time`] goes back to them.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::{World, assert_history};
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn countdown(ctx: OrchestrationContext, left: u64) -> Result<Next<String, u64>, OrchestratorError> {
    ///     ctx.create_timer(Duration::from_secs(60)).await;
    ///     Ok(if left > 1 { Next::continue_as_new(left - 1) } else { Next::Complete("lift-off".to_owned()) })
    /// }
    ///
    /// let world = World::builder().orchestrator(countdown).build();
    /// let run = world.start(countdown, 3);
    /// assert_eq!(run.output(), "lift-off");
    ///
    /// let [first, second, last] = &run.executions()[..] else { panic!("three executions") };
    /// assert_eq!((first.generation(), first.is_current(), last.is_current()), (0, false, true));
    /// assert_eq!(second.input::<u64>(), 2);
    /// assert_history!(first, [ExecutionStarted("countdown", 3), .., ExecutionCompleted("ContinuedAsNew", 2)]);
    ///
    /// // Back into the second one, before its timer has fired.
    /// let past = world.at_execution(second, 4)?;
    /// assert_eq!(past.elapsed(), Duration::from_secs(60));
    /// assert_eq!(past.instance_of(&run).output(), "lift-off");
    /// # Ok::<(), durable_testing::world::TravelError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// When there is no such instance.
    #[must_use]
    #[track_caller]
    pub fn executions(&self) -> Vec<Execution> {
        let core = self.core();
        let executions = Executions::of(core, self.status(), self.history());
        let current = &executions.status.execution_id;
        let ids: Vec<_> = executions.ended.iter().map(|ended| &ended.header.execution).chain([current]).collect();
        let generations = executions.ended.iter().map(|ended| ended.header.generation);
        let generations = generations.chain([self.generation(&executions)]);
        let known = executions.histories.iter().zip(&ids).zip(generations).enumerate();
        known
            .map(|(at, ((history, id), generation))| Execution {
                instance: self.id().clone(),
                id: (*id).clone(),
                next: ids.get(at + 1).map(|next| (*next).clone()),
                generation,
                history: history.clone(),
                start: core.plan.start,
            })
            .collect()
    }

    /// How often it has continued as new. Its history does not say so before the first turn of an execution.
    fn generation(&self, executions: &Executions) -> u32 {
        let of_history = executions.histories.last().and_then(|history| header(history));
        let of_store = || now(self.core().store.instance(self.id().as_str())).map_or(0, |row| row.generation);
        match (of_history, executions.ended.last()) {
            (Some(header), _) => header.generation,
            (None, Some(before)) => before.header.generation + 1,
            (None, None) => of_store(),
        }
    }
}

/// What an execution was started with.
fn header(history: &[HistoryEvent]) -> Option<&ExecutionHeader> {
    history.iter().find_map(|event| match &event.kind {
        EventKind::ExecutionStarted(header) => Some(&**header),
        _ => None,
    })
}

impl Execution {
    /// The instance.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// How often the instance had continued as new before: 0 for its first execution.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.generation
    }

    /// False when the instance had continued as new: another execution had followed.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.next.is_none()
    }

    /// Its events. Those that the last turn of an execution that is over has received have the time of this turn.
    #[must_use]
    pub fn history(&self) -> &[HistoryEvent] {
        &self.history
    }

    /// Its history as [`Instance::history_text`] gives that of the current one.
    #[must_use]
    pub fn history_text(&self) -> String {
        history_lines(self.start, &self.history, &mut Numbers::default())
    }

    /// Its input.
    ///
    /// # Panics
    ///
    /// When it is no `T`, and before the first turn, with which it comes into the history.
    #[must_use]
    #[track_caller]
    pub fn input<T: DeserializeOwned>(&self) -> T {
        let header = header(&self.history).or_fail(|()| format!("{} has had no turn", self.name()));
        header.input.decode().or_fail(|error| format!("the input of {}: {error}", self.name()))
    }

    /// The one that has followed it.
    pub(super) fn next(&self) -> Option<&ExecutionId> {
        self.next.as_ref()
    }

    fn name(&self) -> String {
        format!("execution {} of '{}'", u64::from(self.generation) + 1, self.instance)
    }
}

impl History for Execution {
    fn events(&self) -> (String, Vec<HistoryEvent>) {
        (self.name(), self.history.clone())
    }
}

impl AsRef<[HistoryEvent]> for Execution {
    fn as_ref(&self) -> &[HistoryEvent] {
        &self.history
    }
}

impl World {
    /// This world as it stood after so many events of an [execution](Instance::executions), also one that is long over. As
    /// [`at`](Self::at).
    ///
    /// The turn with which an instance continues as new is also the beginning of the next execution: after all events of the
    /// earlier one it stands there.
    ///
    /// # Errors
    ///
    /// As [`at`](Self::at). In a world that has begun with [recorded histories](super::WorldBuilder::from_histories) it can
    /// also be before those.
    ///
    /// # Panics
    ///
    /// When this world does not know the execution, when it is not in memory, and when a check fails meanwhile.
    #[track_caller]
    pub fn at_execution(&self, execution: &Execution, events: usize) -> Result<Self, TravelError> {
        self.0.plan.must_be_in_memory();
        let instance = self.instance::<()>(execution.instance.as_str());
        let mut known = instance.executions().into_iter();
        let known = known.find(|known| known.id == execution.id);
        let known = known.or_fail(|()| format!("this world does not know {}", execution.name()));
        if known.is_current() { self.at(&instance, events) } else { self.at_ended(&known, events) }
    }
}
