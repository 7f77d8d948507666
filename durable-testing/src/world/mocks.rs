//! Mocked activities and sub-orchestrations: their answers, and the calls that reached them.

use std::sync::Arc;

use durable_core::activity::ActivityContext;
use durable_core::backend::InstanceRow;
use durable_core::model::{FunctionName, InstanceId, Payload, TaskId, Timestamp};
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::answers::{Answer, Step, Steps};
use super::journal::Journal;
use super::mock_tables::{Again, Run, Tables};
use super::shapes::Shape;
use super::time::WorldClock;
use crate::faults::FaultyBackend;

/// One call that reached a mock.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MockCall<I = serde_json::Value> {
    /// The function that was called.
    pub function: FunctionName,
    /// Who called; for a sub-orchestration its own instance.
    pub instance: InstanceId,
    /// What it was given.
    pub input: I,
    /// Which attempt of a retried call this was, from 1.
    pub attempt: u32,
    /// How often this very call was handed out, counting this time: more than 1 after a crash.
    pub delivery: u32,
    /// When it was called, on the clock of the world.
    pub at: Timestamp,
    /// Its place among all calls of the world, from 0.
    pub order: usize,
}

/// Everything that stands in for functions of a world.
pub(super) struct Mocks {
    pub(super) tables: Mutex<Tables>,
    pub(super) journal: Arc<Journal>,
    pub(super) clock: WorldClock,
    pub(super) faults: Arc<FaultyBackend>,
    /// There are other answers.
    pub(super) changed: Notify,
    /// Real activities: what is neither here nor mocked is a mistake of the test.
    pub(super) real: Vec<FunctionName>,
}

impl Mocks {
    pub(super) fn new(
        tables: Tables,
        journal: Arc<Journal>,
        (clock, faults): (WorldClock, Arc<FaultyBackend>),
        real: Vec<FunctionName>,
    ) -> Arc<Self> {
        Arc::new(Self { tables: Mutex::new(tables), journal, clock, faults, changed: Notify::new(), real })
    }

    /// What an orchestration has died of is not its answer.
    pub(super) fn next_process(&self) {
        let dies = |step: &Option<Step>| matches!(step, Some(Step { answer: Answer::Dies, .. }));
        self.tables.lock().settled.retain(|_, step| !dies(step));
    }

    /// A copy of all answers and calls, for a copy of the world.
    pub(super) fn tables(&self) -> Tables {
        let mut tables = self.tables.lock().clone();
        tables.repeat(Again::GoesOn);
        tables
    }

    /// What is under way will begin again: the process is shut down.
    pub(super) fn run_again(&self) {
        self.tables.lock().repeat(Again::Same);
    }

    /// Every run of an activity, mocked or real, in order.
    pub(super) fn runs(&self) -> Vec<Run> {
        self.tables.lock().runs.clone()
    }

    pub(super) fn note_run(&self, ctx: &ActivityContext, input: &Payload) {
        let run = Run {
            function: ctx.name().clone(),
            instance: ctx.instance_id().clone(),
            task: ctx.task_id(),
            input: input.clone(),
            delivery: ctx.delivery(),
        };
        self.tables.lock().runs.push(run);
    }

    pub(super) fn calls(&self) -> Vec<MockCall> {
        self.tables.lock().calls.clone()
    }

    pub(super) fn of_activity<T>(&self, name: &FunctionName, change: impl FnOnce(&mut Steps) -> T) -> T {
        let changed = change(self.tables.lock().activities.entry(name.clone()).or_default());
        self.changed.notify_waiters();
        changed
    }

    pub(super) fn of_orchestrator<T>(&self, name: &FunctionName, change: impl FnOnce(&mut Steps) -> T) -> T {
        self.journal.gate.has_mock(name);
        let changed = change(self.tables.lock().orchestrators.entry(name.clone()).or_default());
        self.changed.notify_waiters();
        changed
    }

    /// The instances of these that are alive and run by a mock.
    pub(super) fn under_way(&self, rows: Vec<InstanceRow>) -> Vec<InstanceRow> {
        let tables = self.tables.lock();
        let is_mocked = |row: &InstanceRow| {
            let Ok(id) = InstanceId::new(&row.id) else { return false };
            let key = (id, row.execution.clone());
            let name = FunctionName::new(&row.name);
            tables.settled.contains_key(&key)
                || tables.waiting.contains(&key)
                || (row.turn == 0 && name.is_ok_and(|name| tables.orchestrators.contains_key(&name)))
        };
        rows.into_iter().filter(|row| !row.status.is_terminal() && is_mocked(row)).collect()
    }

    /// Functions that were called less often than they have answers, and how many are left. A single answer may stay unused.
    pub(super) fn unused(&self) -> Vec<(FunctionName, u32)> {
        let tables = self.tables.lock();
        let all = tables.activities.iter().chain(&tables.orchestrators);
        let mut unused: Vec<_> = all.filter_map(|(name, steps)| Some((name.clone(), steps.unused()?))).collect();
        unused.sort_by_key(|(name, _)| name.folded());
        unused
    }

    /// Knows the types of an activity from now on.
    pub(super) fn knows(&self, name: &FunctionName, shape: Shape) {
        self.journal.round_trips.mocks_activity(name.clone(), shape);
    }

    pub(super) fn note(
        &self,
        function: &FunctionName,
        instance: &InstanceId,
        input: &Payload,
        (attempt, delivery): (u32, u32),
    ) {
        let mut tables = self.tables.lock();
        let call = MockCall {
            function: function.clone(),
            instance: instance.clone(),
            input: input.decode().unwrap_or_default(),
            attempt,
            delivery,
            at: self.clock.coarse(),
            order: tables.calls.len(),
        };
        tables.calls.push(call);
    }

    /// Which answer a call gets may depend on the order of calls.
    pub(super) fn touch(&self, name: &FunctionName) {
        let tables = self.tables.lock();
        let steps = [&tables.activities, &tables.orchestrators].into_iter().find_map(|steps| steps.get(name));
        if steps.is_some_and(|steps| !steps.are_all_the_same()) {
            self.journal.gate.touch_mock(name);
        }
    }
}

/// Only so that ids of tasks can be compared in messages.
pub(super) fn task(id: TaskId) -> String {
    format!("#{}", id.0)
}
