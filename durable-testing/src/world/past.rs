//! From what has happened to a world that goes on from there.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::backend::{
    Backend, CallId, CreateInstance, InstanceKey, InstanceRow, MessageTarget, NewMessage, Write, Written,
};
use durable_core::engine::{IdSource as _, Retrace};
use durable_core::history::{EventKind, ExecutionHeader, HistoryRecord, encode_event};
use durable_core::model::{FunctionName, InstanceId, Payload, Timestamp};
use durable_core::replay::{Executor, TurnInput};
use durable_core::worker::Code;

use super::World;
use super::core::{Core, Memories, Plan};
use super::cut::{Cut, Past};
use super::executions::AllEnded;
use super::ids::{Ids, OfTheHub};
use super::journal::{Execution, Executions};
use super::ledger::{Ledger, now};
use super::mock_tables::Tables;
use super::time::Moment;
use super::travel::rows;
use super::travel_error::{Kind, TravelError};

/// A store from which a world begins that has a past.
pub(super) struct Beginning {
    pub(super) plan: Plan,
    pub(super) store: Memory,
    pub(super) ledger: Ledger,
    pub(super) now: Timestamp,
    pub(super) tables: Tables,
    pub(super) ended: AllEnded,
    /// Mocked orchestrations that wait for the answer of the test.
    pub(super) under_way: Vec<InstanceRow>,
}

impl Beginning {
    /// Makes the world. The code of `checked` must fit its history.
    #[track_caller]
    pub(super) fn begin(self, checked: Option<&InstanceId>) -> Result<World, TravelError> {
        let Self { plan, store, ledger, now: time, tables, ended, under_way } = self;
        let instances = rows(&store);
        let live = instances.iter().filter(|row| !row.status.is_terminal());
        let open = live.flat_map(|row| now(store.activities(row.key)));
        let tables = tables.of_the_past(&open.collect::<Vec<_>>(), &under_way);
        let moment = Moment { coarse: whole_milliseconds(time, plan.start), exact: time };
        let current = instances.iter().map(|row| row.execution.clone()).collect();
        let ended = ended.before(time, &current);
        let memories = Memories { tables, executions: Executions::default(), ended, ledger: Some(ledger) };
        let core = Core::prepare(plan, store.clone(), moment, memories);
        let code = core.describe().code();
        for row in &instances {
            let is_checked = checked.is_some_and(|id| row.id == id.as_str());
            let Ok(retrace) = Retrace::of_rows(row, now(store.history(row.key))) else { continue };
            let (header, records) = (retrace.header(), retrace.records());
            let Some(executors) = code.executors(header) else {
                if is_checked {
                    return Err(Kind::NoCode(header.name.clone()).into());
                }
                continue;
            };
            if is_checked {
                let replayed = executors().replay(records);
                replayed.map_err(|fault| Kind::OtherCode(header.instance.clone(), fault))?;
            }
            let execution = Execution::new(header.execution.clone(), executors, turns(records).collect());
            core.journal.put(header.instance.clone(), execution);
        }
        Ok(World::of(core))
    }
}

/// Makes a world of histories that are cut at the same moment.
#[track_caller]
pub(super) fn retraced(plan: Plan, tables: Tables, cut: &Cut) -> Result<World, TravelError> {
    let time = cut.now();
    let moment = Moment { coarse: whole_milliseconds(time, plan.start), exact: time };
    // Only its code is needed: the world itself begins when its store is complete.
    let scratch = Core::prepare(plan.clone(), Memory::new(), moment, Memories::default());
    let ids = OfTheHub(Ids::new(plan.seed));
    let mut rebuilt = Rebuilt {
        code: scratch.describe().code(),
        plan: &plan,
        store: Memory::new(),
        keys: vec![None; cut.0.len()],
        ids,
    };
    for at in 0..cut.0.len() {
        rebuilt.put(cut, at)?;
    }
    let mut under_way = Vec::new();
    for at in 0..cut.0.len() {
        rebuilt.stand_in(cut, at, &mut under_way)?;
        rebuilt.deliver(cut, at);
    }
    let store = rebuilt.store;
    let under_way = rows(&store).into_iter().filter(|row| under_way.contains(&row.id)).collect();
    let ledger = Ledger::new(&store, time);
    Beginning { plan, store, ledger, now: time, tables, ended: AllEnded::default(), under_way }.begin(None)
}

/// A store that is filled with instances from histories.
struct Rebuilt<'a> {
    code: Code,
    plan: &'a Plan,
    store: Memory,
    keys: Vec<Option<InstanceKey>>,
    /// Of executions that begin anew.
    ids: OfTheHub,
}

impl Rebuilt<'_> {
    fn is_mocked(&self, name: &FunctionName) -> bool {
        self.plan.mocked.contains(name)
    }

    /// Puts an instance there, after the one that has started it.
    fn put(&mut self, cut: &Cut, at: usize) -> Result<(), TravelError> {
        let past = &cut.0[at];
        let stands_in = at > 0 && self.is_mocked(&past.header.name) && !past.has_ended();
        if past.is_absent || stands_in || self.keys[at].is_some() {
            return Ok(());
        }
        let parent = cut.parent(past);
        if let Some(parent) = parent {
            self.put(cut, parent)?;
        }
        let retrace = retrace(past);
        let custom_status = self.custom_status(past, retrace.records())?;
        let parent_key = parent.and_then(|parent| self.keys[parent]);
        let generation = parent.map_or(0, |parent| cut.0[parent].header.generation);
        let parent_call = past.call().filter(|_| parent_key.is_some()).map(|task| CallId::new(generation, task));
        let create = CreateInstance { parent: parent_key, parent_call, ..retrace.create() };
        let [Written::Created(started)] = self.commit(vec![Write::Create(create)])[..] else {
            unreachable!("there is one history of each instance")
        };
        let turns = retrace.turns(started.key, started.epoch, custom_status);
        let written = self.commit(turns.into_iter().map(|turn| Write::Turn(Box::new(turn))).collect());
        if written.contains(&Written::Refused) {
            unreachable!("nobody else writes to this store: {written:?}");
        }
        self.keys[at] = Some(started.key);
        Ok(())
    }

    /// The custom status after the last turn. It needs the code, which must fit.
    fn custom_status(&self, past: &Past, records: &[HistoryRecord]) -> Result<Option<Payload>, TravelError> {
        let Some(executors) = self.code.executors(&past.header) else {
            return if past.has_ended() { Ok(None) } else { Err(Kind::NoCode(past.header.name.clone()).into()) };
        };
        let other = |fault| TravelError::from(Kind::OtherCode(past.header.instance.clone(), fault));
        executors().replay(records).map_err(other)?;
        let Some(last) = turns(records).last() else { return Ok(None) };
        let before = records.partition_point(|record| record.turn < last.turn);
        let mut executor: Executor = executors();
        executor.replay(&records[..before]).map_err(other)?;
        Ok(executor.run_turn(last).map_err(other)?.custom_status)
    }

    /// Starts those children under way anew for which a mock stands in.
    fn stand_in(&mut self, cut: &Cut, at: usize, under_way: &mut Vec<String>) -> Result<(), TravelError> {
        let Some(key) = self.keys[at] else { return Ok(()) };
        let past = &cut.0[at];
        for (task, child, called) in past.open_children() {
            if now(self.store.instance(child.instance.as_str())).is_some() {
                continue;
            }
            if !self.is_mocked(&child.name) {
                let (parent, is_later) = (past.header.instance.clone(), cut.has_later(&child.instance));
                return Err(Kind::OpenChild { parent, child: child.instance, name: child.name, is_later }.into());
            }
            under_way.push(child.instance.to_string());
            let execution = self.ids.execution(&child.instance);
            self.commit(vec![Write::Create(retrace(past).child(key, (task, &child), execution, called))]);
        }
        Ok(())
    }

    /// What was on its way to an instance.
    fn deliver(&mut self, cut: &Cut, at: usize) {
        let (past, Some(key)) = (&cut.0[at], self.keys[at]) else { return };
        let mut messages: Vec<_> = cut
            .unread(past)
            .into_iter()
            .map(|(time, name, input)| (time, EventKind::EventRaised { name, input }))
            .collect();
        let open: Vec<_> = past.open_children().into_iter().map(|(task, ..)| task).collect();
        for (child, _) in cut.0.iter().zip(&self.keys).filter(|(_, key)| key.is_some()) {
            let is_own = cut.parent(child) == Some(at);
            if is_own
                && child.call().is_some_and(|task| open.contains(&task))
                && let Some(told) = retrace(child).told_to_parent()
            {
                messages.push((child.now(), told));
            }
        }
        if let Some(parent) = cut.parent(past).filter(|parent| self.keys[*parent].is_some())
            && let Some(task) = past.call()
            && cut.0[parent].open_children().iter().all(|(open, ..)| *open != task)
        {
            // Its parent waits for it no more.
            messages.push((cut.0[parent].now(), EventKind::ExecutionTerminated { reason: None, recursive: true }));
        }
        messages.sort_by_key(|(time, _)| *time);
        let to = MessageTarget::Execution(key, past.header.execution.as_str().to_owned());
        let messages = messages.into_iter().map(|(time, event)| {
            Write::Message(NewMessage { to: to.clone(), time, event: encode_event(&event), completes: None })
        });
        self.commit(messages.collect());
    }

    fn commit(&self, writes: Vec<Write>) -> Vec<Written> {
        now(self.store.commit(Arc::new(writes)))
    }
}

fn retrace(past: &Past) -> Retrace {
    Retrace::new(Arc::<ExecutionHeader>::clone(&past.header), past.records().cloned().collect())
}

/// What went into each turn.
pub(super) fn turns(records: &[HistoryRecord]) -> impl Iterator<Item = TurnInput> {
    records.chunk_by(|a, b| a.turn == b.turn).map(|records| {
        let received = records.iter().map(|record| &record.kind).filter(|kind| !kind.is_action());
        TurnInput { turn: records[0].turn, time: records[0].turn_time, events: received.cloned().collect() }
    })
}

/// The time in the resolution of a clock that began at `start`.
pub(super) fn whole_milliseconds(time: Timestamp, start: Timestamp) -> Timestamp {
    let passed = time.saturating_since(start).as_millis();
    start.saturating_add(Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX)))
}
