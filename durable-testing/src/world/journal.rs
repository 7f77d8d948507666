//! What happened in a world, and the checks of each turn.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use durable_core::BoxFuture;
use durable_core::history::{Action, Completion, EventKind, ExecutionHeader};
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, SourceLocation, TaskId};
use durable_core::replay::{Executor, TurnInput, TurnOutcome, Waits};
use durable_core::worker::{CheckedTurn, Refusal, RefusalReason, TurnCheck};
use parking_lot::Mutex;

use super::complaints::Complaints;
use super::difference::{Difference, difference};
use super::executions::{AllEnded, Ended};
use super::gate::Gate;
use super::held::{hold_turn, touch};
use super::leaks::{Leak, dropped};
use super::logs::silently;
use super::shapes::{RoundTrips, Shapes};

/// Turns up to this one are all replayed cold.
const FIRST_TURNS: u64 = 64;

/// Which checks are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// A fresh executor replays the history.
    pub(super) cold_replay: bool,
    /// It runs the turn again as well.
    pub(super) double_execution: bool,
    /// After every turn.
    pub(super) exhaustive: bool,
    /// What is left over at the end fails the test.
    pub(super) leaks: bool,
    /// Every payload is read and written again.
    pub(super) round_trips: bool,
    /// An instance that stalls, or ends because its code is missing or does not fit its history, fails the test.
    pub(super) stalls: bool,
    /// An instance that awaits what is not durable fails the test.
    pub(super) foreign_awaits: bool,
    /// A call of a child that is neither there nor mocked fails the test.
    pub(super) children: bool,
    /// Everything that is wrong is told, not only the first of each instance.
    pub(super) all_complaints: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            cold_replay: true,
            double_execution: true,
            exhaustive: false,
            leaks: true,
            round_trips: true,
            stalls: true,
            foreign_awaits: true,
            children: true,
            all_complaints: false,
        }
    }
}

impl Execution {
    /// One that has had these turns.
    pub(super) fn new(
        id: ExecutionId,
        fresh: impl Fn() -> Executor + Send + Sync + 'static,
        inputs: Vec<TurnInput>,
    ) -> Self {
        Self { id, fresh: Arc::new(fresh), replayed: inputs.len(), inputs }
    }

    /// The number of a turn, from 1: turns of a hub are counted over all executions of an instance.
    fn number(&self, turn: u64) -> u64 {
        1 + self.inputs.partition_point(|input| input.turn < turn) as u64
    }

    pub(super) fn id(&self) -> &ExecutionId {
        &self.id
    }

    /// An executor of its code that has not run yet.
    pub(super) fn fresh(&self) -> Executor {
        (self.fresh)()
    }
}

/// Every turn of every execution, and what was found wrong.
#[derive(Default)]
pub(super) struct Journal {
    executions: Mutex<Executions>,
    /// Instances in the order of their first turns.
    seen: Mutex<Vec<InstanceId>>,
    complaints: Mutex<Complaints>,
    checks: Mutex<Checks>,
    pub(super) gate: Gate,
    dropped_calls: Mutex<Vec<Leak>>,
    ended: Mutex<AllEnded>,
    pub(super) round_trips: RoundTrips,
}

/// The current executions of instances.
pub(super) type Executions = BTreeMap<InstanceId, Execution>;

/// The current execution of an instance, turn by turn.
#[derive(Clone)]
pub(super) struct Execution {
    id: ExecutionId,
    fresh: Arc<dyn Fn() -> Executor + Send + Sync>,
    inputs: Vec<TurnInput>,
    /// How many of them were there when it was last replayed.
    replayed: usize,
}

impl Journal {
    pub(super) fn new(checks: Checks, executions: Executions, gate: Gate, shapes: Shapes) -> Arc<Self> {
        let round_trips = RoundTrips::new(shapes);
        let (checks, executions) = (Mutex::new(checks), Mutex::new(executions));
        Arc::new(Self { checks, executions, gate, round_trips, ..Self::default() })
    }

    /// Puts an execution in the place of what is known of its instance.
    pub(super) fn put(&self, instance: InstanceId, execution: Execution) {
        self.seen.lock().push(instance.clone());
        self.executions.lock().insert(instance, execution);
    }

    /// The executions that have continued as new.
    pub(super) fn ended(&self) -> AllEnded {
        self.ended.lock().clone()
    }

    /// Knows of executions that have ended earlier.
    pub(super) fn remember(&self, ended: AllEnded) {
        *self.ended.lock() = ended;
    }

    /// A copy of all executions.
    pub(super) fn executions(&self) -> Executions {
        self.executions.lock().clone()
    }

    /// Notes that something is wrong with an instance; the test fails for it at the next occasion.
    pub(super) fn complain(&self, instance: &InstanceId, complaint: String) {
        self.complaints.lock().add(instance, complaint);
    }

    /// The first thing that was found wrong since then.
    pub(super) fn first_complaint(&self) -> Option<String> {
        self.complaints.lock().first().map(str::to_owned)
    }

    /// What was found wrong since the last call.
    pub(super) fn take_complaints(&self) -> Vec<String> {
        let all = self.checks.lock().all_complaints;
        std::mem::take(&mut *self.complaints.lock()).tell(all)
    }

    /// All actions of the current execution of an instance, found by running all of its turns again.
    fn actions(&self, id: &InstanceId) -> Vec<(TaskId, Action)> {
        let Some(execution) = self.executions.lock().get(id).cloned() else { return Vec::new() };
        let mut executor = (execution.fresh)();
        silently(|| {
            let turns = execution.inputs.into_iter().map_while(|input| executor.run_turn(input).ok());
            turns.flat_map(|outcome| outcome.actions).collect()
        })
    }

    /// A call that an instance has made.
    fn call_of(&self, id: &InstanceId, task: TaskId) -> Option<Action> {
        self.actions(id).into_iter().find_map(|(id, action)| (id == task).then_some(action))
    }

    /// Where in the source an instance has made a call.
    pub(super) fn source_of(&self, id: &InstanceId, task: TaskId) -> Option<SourceLocation> {
        self.call_of(id, task).map(|action| action.source().clone())
    }

    /// Where in the source an instance has made its last call before the present turn.
    fn last_call(&self, id: &InstanceId) -> Option<SourceLocation> {
        let last = self.actions(id).last().map(|(_, action)| action.source().clone());
        last.or_else(|| self.waits(id)?.places.pop().map(|(_, source)| source))
    }

    /// What the code of an instance waits for, found by running all of its turns again.
    pub(super) fn waits(&self, id: &InstanceId) -> Option<Waits> {
        let execution = self.executions.lock().get(id).cloned()?;
        let mut executor = (execution.fresh)();
        silently(|| {
            for input in execution.inputs {
                executor.run_turn(input).ok()?;
            }
            Some(executor.waits())
        })
    }

    /// The place of an instance in the order of first turns; one that has had none comes last.
    pub(super) fn place(&self, id: &InstanceId) -> usize {
        self.seen.lock().iter().position(|seen| seen == id).unwrap_or(usize::MAX)
    }

    pub(super) fn looks_for_leaks(&self) -> bool {
        self.checks.lock().leaks
    }

    /// There is nothing to look for any more.
    pub(super) fn forget_leaks(&self) {
        self.checks.lock().leaks = false;
    }

    /// Calls that nobody has awaited.
    pub(super) fn dropped_calls(&self) -> Vec<Leak> {
        self.dropped_calls.lock().clone()
    }

    /// The instances that an external event has reached.
    pub(super) fn with_events(&self) -> BTreeSet<InstanceId> {
        let is_event = |event: &EventKind| matches!(event, EventKind::EventRaised { .. });
        let executions = self.executions.lock();
        let reached = executions
            .iter()
            .filter(|(_, execution)| execution.inputs.iter().any(|input| input.events.iter().any(is_event)));
        reached.map(|(id, _)| id.clone()).collect()
    }

    /// Looks at what an activity has returned.
    pub(super) fn look_at_result(
        &self,
        activity: &FunctionName,
        instance: &InstanceId,
        result: &Result<Payload, FailureDetails>,
    ) {
        if let (true, Ok(result)) = (self.checks.lock().round_trips, result)
            && let Some(complaint) = self.round_trips.of_result(activity, result)
        {
            self.complain(instance, complaint);
        }
    }

    /// Looks at everything in a turn that needs no other run of it.
    fn look_at(&self, turn: &CheckedTurn<'_>) {
        for leak in dropped(turn, |task| self.call_of(&turn.header.instance, task)) {
            let mut known = self.dropped_calls.lock();
            if !known.contains(&leak) {
                known.push(leak);
            }
        }
        if self.checks.lock().children {
            self.look_for_missing_children(turn);
        }
        if self.checks.lock().round_trips {
            let found = self.round_trips.of_turn(turn);
            found.into_iter().for_each(|complaint| self.complain(&turn.header.instance, complaint));
        }
    }

    /// The call of such a child fails, but who has called may expect failures, so that nobody would hear of it.
    fn look_for_missing_children(&self, turn: &CheckedTurn<'_>) {
        let caller = &turn.header.instance;
        for (_, action) in &turn.outcome.actions {
            if let Action::StartChild { child, source, .. } = action
                && !turn.has_orchestrator(&child.name)
            {
                let (name, input) = (&child.name, &child.input);
                let complaint = format!(
                    "sub-orchestrator '{name}' was called by '{caller}' ({}) with {input}, and the world does not know it: add \
                     it with `orchestrator`, or declare it with `mocked_orchestrator` and mock it (called at {source})",
                    turn.header.name
                );
                self.complain(caller, complaint);
            }
        }
    }

    /// The executions that have had turns since they were last replayed, if that is to be done. From now on they count as
    /// replayed.
    pub(super) fn unreplayed(&self) -> Vec<(InstanceId, Execution)> {
        if !self.checks.lock().cold_replay {
            return Vec::new();
        }
        let mut executions = self.executions.lock();
        let behind = executions.iter_mut().filter(|(_, execution)| execution.replayed < execution.inputs.len());
        let behind = behind.map(|(id, execution)| {
            execution.replayed = execution.inputs.len();
            (id.clone(), execution.clone())
        });
        behind.collect()
    }

    fn wants(&self, header: &ExecutionHeader, input: &TurnInput, outcome: &TurnOutcome) -> bool {
        let checks = *self.checks.lock();
        let turn = match self.executions.lock().get(&header.instance) {
            Some(execution) if execution.id == header.execution => execution.number(input.turn),
            _ => 1,
        };
        (checks.cold_replay || checks.double_execution)
            && (checks.exhaustive || turn <= FIRST_TURNS || turn.is_power_of_two() || outcome.completion.is_some())
    }

    fn note(&self, turn: &CheckedTurn<'_>) {
        let mut executions = self.executions.lock();
        let header = turn.header;
        if !executions.contains_key(&header.instance) {
            self.seen.lock().push(header.instance.clone());
        }
        let new = || Execution::new(header.execution.clone(), turn.again(), Vec::new());
        let execution = executions.entry(header.instance.clone()).or_insert_with(new);
        if execution.id != header.execution || turn.input.turn == 1 {
            *execution = new();
        }
        // A turn that was refused or lost is run once more.
        while execution.inputs.last().is_some_and(|input| input.turn >= turn.input.turn) {
            execution.inputs.pop();
        }
        execution.inputs.push(turn.input.clone());
    }
}

/// True for the last turn of an execution that is not the last one: its history is about to go.
fn continues(outcome: &TurnOutcome) -> bool {
    matches!(outcome.completion, Some((_, Completion::ContinuedAsNew(_))))
}

/// Shared with the hub.
pub(super) struct Watcher(pub(super) Arc<Journal>);

impl TurnCheck for Watcher {
    fn before(&self, header: &ExecutionHeader, input: &TurnInput) -> Option<BoxFuture<'static, ()>> {
        hold_turn(&self.0.gate, header, input)
    }

    fn wants_history(&self, header: &ExecutionHeader, input: &TurnInput, outcome: &TurnOutcome) -> bool {
        self.0.wants(header, input, outcome) || continues(outcome)
    }

    fn check(&self, turn: &CheckedTurn<'_>) {
        self.0.note(turn);
        touch(&self.0.gate, turn.header, turn.outcome);
        self.0.look_at(turn);
        if let Some(ended) = Ended::with(turn) {
            self.0.ended.lock().add(ended);
        }
        let checks = *self.0.checks.lock();
        let is_wanted = |found: &Difference| match found.is_of_replay {
            true => checks.cold_replay,
            false => checks.double_execution,
        };
        if turn.history.is_some() && self.0.wants(turn.header, turn.input, turn.outcome) {
            if let Some(execution) = self.0.executions.lock().get_mut(&turn.header.instance) {
                execution.replayed = execution.inputs.len();
            }
            if let Some(complaint) = silently(|| difference(turn, is_wanted)) {
                self.0.complain(&turn.header.instance, complaint);
            }
        }
    }

    fn refused(&self, header: &ExecutionHeader, refusal: &Refusal) {
        let checks = *self.0.checks.lock();
        let Refusal { reason, failure, stalls, .. } = refusal;
        let (is_wanted, place) = match reason {
            RefusalReason::ForeignAwait { last_call } if checks.foreign_awaits => {
                let last_call = last_call.clone().or_else(|| self.0.last_call(&header.instance));
                let text = |source| format!("\n  its last durable call was made at {source}");
                (true, last_call.map(text).unwrap_or_default())
            }
            RefusalReason::ForeignAwait { .. } => (false, String::new()),
            _ => (checks.stalls, String::new()),
        };
        if is_wanted {
            let what = if *stalls { "is stalled" } else { "has failed" };
            let complaint = format!("'{}' ({}) {what}: {failure}{place}", header.instance, header.name);
            self.0.complain(&header.instance, complaint);
        }
    }
}
