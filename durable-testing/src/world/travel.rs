//! Worlds that begin somewhere in a history.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::backend::{Backend, InstanceFilter, InstanceKey, InstanceRow, Write};
use durable_core::engine::Retrace;
use durable_core::history::{EventKind, HistoryEvent, project, records_of};
use durable_core::model::{ExecutionId, InstanceId, Timestamp};

use super::core::Plan;
use super::cut::{Cut, Past, SAME};
use super::ledger::{Place, now};
use super::mock_tables::Tables;
use super::past::{Beginning, retraced, whole_milliseconds};
use super::travel_error::{Kind, TravelError};
use super::{Execution, Instance, World, WorldBuilder};

/// What a time in milliseconds stands for, beside itself.
const MILLISECOND: Duration = Duration::from_nanos(999_900);

impl World {
    /// This world as it stood after so many events of the [`history`](Instance::history) of an instance. The clock shows the
    /// time of its last turn until then.
    ///
    /// Only whole turns count: a turn of which a part lies behind the given event has not happened. All other instances stand as
    /// they stood at this moment: children are under way again, calls and timers are open, messages are unread. What happened
    /// later has not happened anywhere.
    ///
    /// Mocks have lost their answers, so that the test says what happens from here on, and have not been called. Mocked
    /// activities and sub-orchestrations that were under way wait for that; real ones begin again, or go on. Nothing happens as
    /// long as the test only gives answers and looks at states and histories.
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
    /// The code does not fit the history, since a mock has taken its place. In a world that has begun with
    /// [recorded histories](WorldBuilder::from_histories): a child was under way that they do not tell about.
    ///
    /// # Panics
    ///
    /// When there is no such instance, and when a check fails meanwhile.
    #[track_caller]
    pub fn at<O>(&self, instance: &Instance<O>, events: usize) -> Result<Self, TravelError> {
        self.0.plan.must_be_in_memory();
        let history = instance.history();
        let before = history.iter().take(events);
        let turns = before.filter(|event| event.kind == EventKind::OrchestratorCompleted).count();
        match self.place_of(instance.id(), turns) {
            Some(place) => self.at_place(place, Some(instance.id())),
            None => {
                let row = now(self.0.store.instance(instance.id().as_str())).ok_or(Kind::NoStart)?;
                self.before_the_ledger(self.past_of(&row)?.first(turns))
            }
        }
    }

    /// This world as it stood after so many events of an execution that has continued as new.
    #[track_caller]
    pub(super) fn at_ended(&self, ended: &Execution, events: usize) -> Result<Self, TravelError> {
        let ends = |event: &HistoryEvent| event.kind == EventKind::OrchestratorCompleted;
        let history = ended.history();
        let before = &history[..events.min(history.len())];
        let whole = &history[..before.iter().rposition(ends).map_or(0, |at| at + 1)];
        // With its last turn the next one has begun, which has had none yet.
        let next = ended.next().filter(|_| whole.len() == history.len());
        let (execution, expected) = next.map_or((ended.id(), whole), |next| (next, &[]));
        match self.place_of_ended(ended.instance(), execution, expected) {
            Some(place) => self.at_place(place, Some(ended.instance())),
            None if next.is_some() => Err(Kind::NotYet.into()),
            None => self.before_the_ledger(Past::of(history)?.first(whole.iter().filter(|event| ends(event)).count())),
        }
    }

    /// Where the history of an execution had just become this.
    fn place_of_ended(&self, id: &InstanceId, execution: &ExecutionId, expected: &[HistoryEvent]) -> Option<Place> {
        // The instance need not be there any more in the end, under the same key.
        let length = records_of(expected).len() as u64;
        self.0.ledger.find(|store, write| {
            let changes = matches!(write, Write::Create(_) | Write::Turn(_) | Write::Rewind(_));
            let then = changes.then(|| now(store.instance(id.as_str()))).flatten();
            then.filter(|then| then.execution == execution.as_str() && then.history_len == length).is_some_and(|then| {
                let history = now(store.history(then.key));
                Retrace::of_rows(&then, history).is_ok_and(|then| project(then.records().to_vec()) == expected)
            })
        })
    }

    /// This world as it stood at a time: everything has happened that was due then, and nothing later. As
    /// [`at`](Self::at).
    ///
    /// ```
    /// # use durable_core::prelude::*;
    /// # use durable_testing::World;
    /// # use std::time::Duration;
    /// # const DAY: Duration = Duration::from_secs(24 * 3600);
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     Ok(ctx.wait_for_external_event("Approval").timeout_or(3 * DAY, false).await?)
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// let (begin, run) = (world.now(), world.start(approval, ()));
    /// assert_eq!(run.output(), false);
    ///
    /// let second_day = world.at_time(begin.saturating_add(DAY))?;
    /// assert_eq!(second_day.elapsed(), DAY);
    /// second_day.instance_of(&run).raise("Approval", &true);
    /// assert!(second_day.instance_of(&run).output());
    /// # Ok::<(), durable_testing::world::TravelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// The world had not begun.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    pub fn at_time(&self, time: Timestamp) -> Result<Self, TravelError> {
        self.0.plan.must_be_in_memory();
        self.0.settle();
        self.0.object();
        let time = time.min(self.now());
        // Turns are numbered by ticks within a millisecond.
        let place = self.0.ledger.at(time.saturating_add(MILLISECOND)).ok_or(Kind::NotYet)?;
        self.at_place(place.seen_at(time), None)
    }

    /// Where so many turns of the current execution of an instance had just been committed; `None` when this world has begun
    /// later.
    fn place_of(&self, id: &InstanceId, turns: usize) -> Option<Place> {
        let row = now(self.0.store.instance(id.as_str()))?;
        let rows = now(self.0.store.history(row.key));
        let expected: Vec<_> = rows.chunk_by(|a, b| a.turn == b.turn).take(turns).flatten().cloned().collect();
        self.0.ledger.find(|store, write| {
            touches(write, row.key, id.as_str())
                && now(store.instance(id.as_str())).is_some_and(|then| {
                    then.execution == row.execution
                        && then.history_len == expected.len() as u64
                        && now(store.history(then.key)) == expected
                })
        })
    }

    #[track_caller]
    fn at_place(&self, place: Place, checked: Option<&InstanceId>) -> Result<Self, TravelError> {
        let plan = self.0.plan_of_a_copy();
        let mocks = &self.0.mocks;
        let there = self.0.ledger.until(place, &std::collections::BTreeSet::new());
        let under_way: Vec<_> = mocks.under_way(rows(&there.store()));
        let ledger = there.until(Place::END, &under_way.iter().map(|row| row.key).collect());
        let store = ledger.store();
        let (now, tables, ended) = (place.time, mocks.tables(), self.0.journal.ended());
        let beginning = Beginning { plan, store, ledger, now, tables, ended, under_way };
        beginning.begin(checked)
    }

    /// As far as the histories of its instances tell, where the first one ends.
    #[track_caller]
    fn before_the_ledger(&self, first: Past) -> Result<Self, TravelError> {
        let time = first.now();
        let others = rows(&self.0.store).into_iter().filter(|row| row.id != first.header.instance.as_str());
        let others: Vec<_> = others.filter_map(|row| self.past_at(&row, time)).collect();
        let cut = Cut::at_the_end_of(first, others);
        let plan = self.0.plan_of_a_copy();
        let start = plan.start.min(whole_milliseconds(cut.now(), Timestamp::UNIX_EPOCH));
        retraced(Plan { start, ..plan }, self.0.mocks.tables(), &cut)
    }

    /// The current execution of an instance.
    fn past_of(&self, row: &InstanceRow) -> Result<Past, TravelError> {
        let history = now(self.0.store.history(row.key));
        let retrace = Retrace::of_rows(row, history).map_err(|_| Kind::NoStart)?;
        Ok(Past::new(Arc::clone(retrace.header()), retrace.records(), row.created))
    }

    /// The execution that an instance had at a time.
    fn past_at(&self, row: &InstanceRow, time: Timestamp) -> Option<Past> {
        let ended = self.0.journal.ended().of((&row.id, &row.execution), row.created);
        match ended.iter().find(|ended| ended.at.saturating_add(SAME) > time) {
            Some(ended) => Past::of(&ended.events).ok().map(Past::without_its_end),
            None => self.past_of(row).ok(),
        }
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
    /// waits for a child at its end that is not mocked: [`from_histories`](Self::from_histories) takes the child's history too.
    ///
    /// # Panics
    ///
    /// When the description of its hub has mistakes, and when it has another store than memory.
    #[track_caller]
    pub fn from_history(self, history: &[HistoryEvent]) -> Result<World, TravelError> {
        self.from_histories([history])
    }

    /// Begins the world with several instances that stand where their recorded histories end: an orchestration and its children
    /// under way, for example. From there [`World::at`] goes back to any earlier moment. As
    /// [`from_history`](Self::from_history).
    ///
    /// Ends of children and events between these instances that have not been received are unread messages. Timers and
    /// activities are open. A child under way is linked to its parent, which hears of its end. Histories that were recorded one
    /// after the other may differ by what happened in between: a child that the parent has not started is left out.
    ///
    /// For a child that was under way and whose history is not given, a mock stands in, if the world
    /// [has one](Self::mocked_orchestrator): it ends as the test says. Children that nobody waits for may be missing.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use durable_testing::recorded::RecordedHistory;
    ///
    /// #[orchestrator]
    /// async fn ship(ctx: OrchestrationContext, parcel: u64) -> Result<u64, OrchestratorError> {
    ///     ctx.wait_for_external_event::<()>("Delivered").await?;
    ///     Ok(parcel)
    /// }
    ///
    /// #[orchestrator]
    /// async fn order(ctx: OrchestrationContext) -> Result<u64, OrchestratorError> {
    ///     ctx.call_sub_orchestrator(ship, 7).id("parcel-7").await
    /// }
    ///
    /// # let recorder = World::builder().orchestrator(order).orchestrator(ship).build();
    /// # let run = recorder.start_as("order-1", order, ());
    /// # let files = [recorder.record(&run).to_json(), recorder.record(&recorder.instance::<u64>("parcel-7")).to_json()];
    /// let [parent, child] = files.map(|file| RecordedHistory::from_json(&file).unwrap());
    /// let world = World::builder().orchestrator(order).orchestrator(ship).from_histories([&parent, &child])?;
    /// world.instance::<u64>("parcel-7").raise("Delivered", &());
    /// assert_eq!(world.instance::<u64>("order-1").output(), 7);
    ///
    /// // Without the history of the child, a mock stands in for it.
    /// let world = World::builder().orchestrator(order).mocked_orchestrator(ship).from_histories([&parent])?;
    /// world.mock_orchestrator(ship).fails("the parcel is lost");
    /// let failure = world.instance::<u64>("order-1").failure();
    /// assert!(format!("{failure:#}").contains("the parcel is lost"));
    /// # Ok::<(), durable_testing::world::TravelError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`from_history`](Self::from_history); the error names the child that is missing.
    ///
    /// # Panics
    ///
    /// When the description of its hub has mistakes.
    #[track_caller]
    pub fn from_histories<H: AsRef<[HistoryEvent]>>(
        self,
        histories: impl IntoIterator<Item = H>,
    ) -> Result<World, TravelError> {
        self.plan.must_be_in_memory();
        let pasts = histories.into_iter().map(|history| Past::of(history.as_ref()));
        let pasts = pasts.collect::<Result<Vec<_>, _>>()?;
        if pasts.is_empty() {
            return Err(Kind::NoStart.into());
        }
        let cut = Cut::none(pasts);
        let plan = Plan { start: whole_milliseconds(cut.now(), Timestamp::UNIX_EPOCH), ..self.plan };
        retraced(plan, Tables::default(), &cut)
    }
}

/// True for a write that may bring an instance to another place in its history.
fn touches(write: &Write, key: InstanceKey, id: &str) -> bool {
    match write {
        Write::Create(create) => create.id == id,
        Write::Turn(turn) => turn.key == key || turn.children.iter().any(|child| child.create.id == id),
        Write::Rewind(rewinds) => rewinds.iter().any(|rewind| rewind.key == key),
        _ => false,
    }
}

/// All instances of a store.
pub(super) fn rows(store: &Memory) -> Vec<InstanceRow> {
    now(store.list(InstanceFilter { limit: usize::MAX, ..InstanceFilter::default() }))
}
