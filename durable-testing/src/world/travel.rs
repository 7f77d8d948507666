//! Worlds that begin somewhere in a history.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::backend::{Backend, CreateInstance, InstanceFilter, InstanceKey, InstanceRow, Write, Written};
use durable_core::engine::Retrace;
use durable_core::history::{EventKind, ExecutionHeader, HistoryEvent, HistoryRecord, records_of};
use durable_core::model::{FunctionName, InstanceId, Payload, TaskId, Timestamp};
use durable_core::replay::{Executor, ReplayFault, TurnInput};

use super::core::{Core, Memories, Plan};
use super::journal::Execution;
use super::snapshot::Snapshot;
use super::time::Moment;
use super::{Instance, World, WorldBuilder};

impl World {
    /// A world in which an instance stands where it stood after so many events of its [`history`](Instance::history): its
    /// calls and timers are open again, and the clock shows the time of its last turn.
    ///
    /// Only whole turns count: a turn of which a part lies behind the given event has not happened. All other instances are
    /// there as they stand now, except those that this one has started later. What it has sent to them is not taken back.
    ///
    /// Mocks have lost their answers, so that the test says what happens from here on, and have not been called. A mocked
    /// activity that was under way waits for that; a real one begins again. Nothing happens as long as the test only gives
    /// answers and looks at states and histories.
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
    /// let run = world.start(approval, ());
    /// assert_eq!(run.output(), false);
    ///
    /// // What if the event had come before the timeout?
    /// let fired = run.history().iter().position(|event| event.kind.name() == "TimerFired").unwrap();
    /// let past = world.at(&run, fired)?;
    /// assert_eq!(past.elapsed(), Duration::ZERO);
    /// past.advance(2 * DAY);
    /// past.instance_of(&run).raise("Approval", &true);
    /// assert_eq!(past.instance_of(&run).output(), true);
    /// # Ok::<(), durable_testing::world::TravelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The instance waited for a child at that point: only a part without a child under way can be gone back to.
    ///
    /// # Panics
    ///
    /// When there is no such instance, and when a check fails meanwhile.
    #[track_caller]
    pub fn at<O>(&self, instance: &Instance<O>, events: usize) -> Result<Self, TravelError> {
        let past = Past::of(&instance.history(), events)?;
        let Snapshot { plan, store, memories, .. } = self.snapshot();
        let old = on_memory(&self.0, self.0.store.instance(instance.id().as_str()));
        if let Some(old) = &old {
            let keys = on_memory(&self.0, later_family(&store, old.key, &past.children()));
            on_memory(&self.0, store.commit(Arc::new(vec![Write::Purge { keys, force: true }])));
        }
        past.begin(plan, store, memories, old.as_ref())
    }
}

impl WorldBuilder {
    /// Begins the world with an instance that stands where a recorded history ends: that of an execution in production, as the
    /// client and the HTTP API give it, or its first part. Only whole turns count. The clock shows the time of the last turn.
    /// Nobody is told of its end, also when another orchestration has started it.
    ///
    /// The history is replayed first, so this is also a check that today's code fits it. Activities that are under way wait
    /// until the test says what they answer; those that the world has as real ones begin again. Nothing happens as long as the
    /// test only gives answers and looks at states and histories.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<String, OrchestratorError> {
    ///     match ctx.call_activity(charge, amount).await {
    ///         Ok(receipt) => Ok(format!("receipt {receipt}")),
    ///         Err(error) => Ok(format!("sorry: {error:#}")),
    ///     }
    /// }
    /// # let recorder = World::builder().orchestrator(pay).build();
    /// # recorder.mock(charge).returns(7);
    /// # let run = recorder.start_as("order-7", pay, 5);
    /// # let recorded = serde_json::to_string(&run.history()).unwrap();
    ///
    /// let history: Vec<durable_core::history::HistoryEvent> = serde_json::from_str(&recorded)?;
    /// let called = history.iter().position(|event| event.kind.name() == "TaskCompleted").unwrap();
    /// let world = World::builder().orchestrator(pay).from_history(&history[..called])?;
    /// world.mock(charge).fails("the bank is closed");
    /// assert!(world.instance::<String>("order-7").output().contains("closed"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The history does not begin with the start of an execution, the world has no code for it or other code, or the instance
    /// waits for a child at its end.
    ///
    /// # Panics
    ///
    /// When the description of its hub has mistakes, and when it has another store than memory.
    #[track_caller]
    pub fn from_history(self, history: &[HistoryEvent]) -> Result<World, TravelError> {
        self.plan.must_be_in_memory();
        let past = Past::of(history, history.len())?;
        let plan = Plan { start: whole_milliseconds(past.now, Timestamp::UNIX_EPOCH), ..self.plan };
        past.begin(plan, Memory::new(), Memories::default(), None)
    }
}

/// What is known of an execution at some point of its history.
struct Past {
    header: Arc<ExecutionHeader>,
    records: Vec<HistoryRecord>,
    now: Timestamp,
}

impl Past {
    fn of(history: &[HistoryEvent], events: usize) -> Result<Self, TravelError> {
        let start = history.iter().find_map(|event| match &event.kind {
            EventKind::ExecutionStarted(header) => Some((Arc::clone(header), event.timestamp)),
            _ => None,
        });
        let Some((header, started)) = start else { return Err(Kind::NoStart.into()) };
        let before = &history[..events.min(history.len())];
        let end = before.iter().rposition(|event| event.kind == EventKind::OrchestratorCompleted);
        let records = records_of(&before[..end.map_or(0, |at| at + 1)]);
        let past = Self { now: records.last().map_or(started, |record| record.turn_time), header, records };
        match past.open_child() {
            Some(child) => Err(Kind::OpenChild(child).into()),
            None => Ok(past),
        }
    }

    /// Makes the world.
    #[track_caller]
    fn begin(
        self,
        plan: Plan,
        store: Memory,
        memories: Memories,
        old: Option<&InstanceRow>,
    ) -> Result<World, TravelError> {
        let tables = memories.tables.of_the_past(&self.header, self.open_tasks().into_keys());
        let memories = Memories { tables, ..memories };
        let now = Moment { coarse: whole_milliseconds(self.now, plan.start), exact: self.now };
        let core = Core::prepare(plan, store, now, memories);
        let Some(executors) = core.describe().code().executors(&self.header) else {
            return Err(Kind::NoCode(self.header.name.clone()).into());
        };
        executors().replay(&self.records).map_err(Kind::OtherCode)?;
        let custom_status = self.custom_status(executors())?;
        let Self { header, records, .. } = self;
        // Before a later execution stands one turn that stands for all earlier ones.
        let earlier = u64::from(header.generation > 0);
        let inputs = turns(&records).map(|input| TurnInput { turn: input.turn + earlier, ..input }).collect();
        let execution = Execution::new(header.execution.clone(), executors, inputs);
        core.journal.put(header.instance.clone(), execution);
        write(&core, &Retrace::new(header, records), custom_status, old);
        Ok(World::of(core))
    }

    /// The custom status after the last turn.
    fn custom_status(&self, mut executor: Executor) -> Result<Option<Payload>, Kind> {
        let Some(last) = turns(&self.records).last() else { return Ok(None) };
        let before = self.records.partition_point(|record| record.turn < last.turn);
        executor.replay(&self.records[..before]).map_err(Kind::OtherCode)?;
        Ok(executor.run_turn(last).map_err(Kind::OtherCode)?.custom_status)
    }

    /// Calls, timers and children that are not over.
    fn open_tasks(&self) -> BTreeMap<TaskId, &EventKind> {
        let mut open = BTreeMap::new();
        for record in &self.records {
            match &record.kind {
                EventKind::SubOrchestrationInstanceCreated { child, .. } if child.is_detached => {}
                EventKind::TaskScheduled { id, .. }
                | EventKind::TimerCreated { id, .. }
                | EventKind::SubOrchestrationInstanceCreated { id, .. } => {
                    open.insert(*id, &record.kind);
                }
                EventKind::TaskCompleted { task_id, .. }
                | EventKind::TaskFailed { task_id, .. }
                | EventKind::TaskCanceled { task_id }
                | EventKind::SubOrchestrationInstanceCompleted { task_id, .. }
                | EventKind::SubOrchestrationInstanceFailed { task_id, .. }
                | EventKind::TimerFired { timer_id: task_id, .. } => {
                    open.remove(task_id);
                }
                EventKind::ExecutionCompleted { .. } => open.clear(),
                _ => {}
            }
        }
        open
    }

    fn open_child(&self) -> Option<InstanceId> {
        self.open_tasks().into_values().find_map(child)
    }

    /// The instances that it has started so far.
    fn children(&self) -> BTreeSet<String> {
        let children = self.records.iter().filter_map(|record| child(&record.kind));
        children.map(|id| id.as_str().to_owned()).collect()
    }
}

fn child(event: &EventKind) -> Option<InstanceId> {
    match event {
        EventKind::SubOrchestrationInstanceCreated { child, .. } => Some(child.instance.clone()),
        _ => None,
    }
}

/// The time in the resolution of a clock that began at `start`.
fn whole_milliseconds(time: Timestamp, start: Timestamp) -> Timestamp {
    let passed = time.saturating_since(start).as_millis();
    start.saturating_add(Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX)))
}

/// What went into each turn.
fn turns(records: &[HistoryRecord]) -> impl Iterator<Item = TurnInput> {
    records.chunk_by(|a, b| a.turn == b.turn).map(|records| {
        let received = records.iter().map(|record| &record.kind).filter(|kind| !kind.is_action());
        TurnInput { turn: records[0].turn, time: records[0].turn_time, events: received.cloned().collect() }
    })
}

/// An instance and all below it, except what it had started before.
async fn later_family(
    store: &Memory,
    root: InstanceKey,
    before: &BTreeSet<String>,
) -> Result<Vec<InstanceKey>, durable_core::backend::BackendError> {
    let (mut family, mut at) = (vec![root], 0);
    while let Some(parent) = family.get(at).copied() {
        at += 1;
        let filter = InstanceFilter { parent: Some(parent), limit: usize::MAX, ..InstanceFilter::default() };
        let children = store.list(filter).await?;
        let is_later = |row: &&InstanceRow| parent != root || !before.contains(&row.id);
        family.extend(children.iter().filter(is_later).map(|row| row.key));
    }
    Ok(family)
}

/// Writes an instance into the store of a world that has not begun.
fn write(core: &Core, past: &Retrace, custom_status: Option<Payload>, old: Option<&InstanceRow>) {
    let mut create = past.create();
    if let Some(InstanceRow { created, parent, parent_call, .. }) = old {
        create = CreateInstance { now: *created, parent: *parent, parent_call: *parent_call, ..create };
    }
    let created = on_memory(core, core.store.commit(Arc::new(vec![Write::Create(create)])));
    let [Written::Created(started)] = created[..] else { unreachable!("the id is free: {created:?}") };
    let turns = past.turns(started.key, started.epoch, custom_status);
    let turns: Vec<_> = turns.into_iter().map(|turn| Write::Turn(Box::new(turn))).collect();
    let written = on_memory(core, core.store.commit(Arc::new(turns)));
    if written.contains(&Written::Refused) {
        unreachable!("nobody else writes to this store: {written:?}");
    }
}

fn on_memory<T: Send>(
    core: &Core,
    work: impl Future<Output = Result<T, durable_core::backend::BackendError>> + Send,
) -> T {
    core.time.run(work).unwrap_or_else(|error| unreachable!("a store in memory does not fail: {error}"))
}

/// Why a world cannot begin at a point of a history.
#[derive(Debug)]
pub struct TravelError(Kind);

#[derive(Debug)]
enum Kind {
    NoStart,
    OpenChild(InstanceId),
    NoCode(FunctionName),
    OtherCode(ReplayFault),
}

impl TravelError {
    /// The instance waits for a child at this point.
    #[must_use]
    pub fn is_open_child(&self) -> bool {
        matches!(self.0, Kind::OpenChild(_))
    }

    /// The world's code does something else than the history says. The [`source`](Error::source) is the
    /// [`ReplayFault`], which names the first difference.
    #[must_use]
    pub fn is_other_code(&self) -> bool {
        matches!(self.0, Kind::OtherCode(_))
    }

    /// The world has no such orchestrator, or not in this version.
    #[must_use]
    pub fn is_unknown_orchestrator(&self) -> bool {
        matches!(self.0, Kind::NoCode(_))
    }

    /// The history does not contain the start of an execution.
    #[must_use]
    pub fn is_no_history(&self) -> bool {
        matches!(self.0, Kind::NoStart)
    }
}

impl From<Kind> for TravelError {
    fn from(kind: Kind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for TravelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::NoStart => f.write_str("the history does not contain the start of an execution"),
            Kind::OpenChild(child) => write!(
                f,
                "the instance waits for its child '{child}' at this point of its history: go to one where it waits for none"
            ),
            Kind::NoCode(name) => write!(f, "the world has no orchestrator '{name}' in the version of the history"),
            Kind::OtherCode(_) => f.write_str("the code of this world does not fit the history"),
        }
    }
}

impl Error for TravelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::OtherCode(fault) => Some(fault),
            _ => None,
        }
    }
}
