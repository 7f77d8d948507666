//! What happened in a world, and the checks of each turn.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use durable_core::history::{Action, Completion, EventKind, ExecutionHeader};
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload};
use durable_core::replay::{Executor, TurnInput, TurnOutcome, Waits};
use durable_core::worker::{CheckedTurn, TurnCheck};
use parking_lot::Mutex;

use super::gate::Gate;
use super::leaks::{Leak, dropped};
use super::logs::silently;
use super::shapes::{RoundTrips, Shapes};

/// Turns up to this one are all replayed cold.
const FIRST_TURNS: u64 = 64;

/// Which checks are made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checks {
    /// A fresh executor replays the history and runs the turn again.
    pub(super) replay: bool,
    /// After every turn.
    pub(super) exhaustive: bool,
    /// What is left over at the end fails the test.
    pub(super) leaks: bool,
    /// Every payload is read and written again.
    pub(super) round_trips: bool,
    /// An instance that stalls, or ends because its code cannot be trusted, fails the test.
    pub(super) faults: bool,
}

impl Default for Checks {
    fn default() -> Self {
        Self { replay: true, exhaustive: false, leaks: true, round_trips: true, faults: true }
    }
}

impl Execution {
    /// One that has had these turns.
    pub(super) fn new(
        id: ExecutionId,
        fresh: impl Fn() -> Executor + Send + Sync + 'static,
        inputs: Vec<TurnInput>,
    ) -> Self {
        Self { id, fresh: Arc::new(fresh), inputs }
    }
}

/// Every turn of every execution, and what was found wrong.
#[derive(Default)]
pub(super) struct Journal {
    executions: Mutex<Executions>,
    /// Instances in the order of their first turns.
    seen: Mutex<Vec<InstanceId>>,
    complaints: Mutex<Vec<String>>,
    checks: Mutex<Checks>,
    pub(super) gate: Gate,
    dropped_calls: Mutex<Vec<Leak>>,
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
}

impl Journal {
    pub(super) fn new(checks: Checks, executions: Executions, gate: Gate, shapes: Shapes) -> Arc<Self> {
        let round_trips = RoundTrips::new(shapes);
        let (checks, executions) = (Mutex::new(checks), Mutex::new(executions));
        Arc::new(Self { checks, executions, gate, round_trips, ..Self::default() })
    }

    /// Puts an execution in the place of what is known of its instance.
    pub(super) fn put(&self, instance: InstanceId, execution: Execution) {
        self.executions.lock().insert(instance, execution);
    }

    /// A copy of all executions.
    pub(super) fn executions(&self) -> Executions {
        self.executions.lock().clone()
    }

    /// Notes that something is wrong; the test fails for it at the next occasion.
    pub(super) fn complain(&self, complaint: String) {
        let mut complaints = self.complaints.lock();
        // What is tried again and again is told once.
        if !complaints.contains(&complaint) {
            complaints.push(complaint);
        }
    }

    /// The first thing that was found wrong since then.
    pub(super) fn first_complaint(&self) -> Option<String> {
        self.complaints.lock().first().cloned()
    }

    /// What was found wrong since the last call.
    pub(super) fn take_complaints(&self) -> Vec<String> {
        std::mem::take(&mut self.complaints.lock())
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
    pub(super) fn look_at_result(&self, activity: &FunctionName, result: &Result<Payload, FailureDetails>) {
        if let (true, Ok(result)) = (self.checks.lock().round_trips, result)
            && let Some(complaint) = self.round_trips.of_result(activity, result)
        {
            self.complain(complaint);
        }
    }

    /// Looks at everything in a turn that needs no other run of it.
    fn look_at(&self, turn: &CheckedTurn<'_>) {
        for leak in dropped(turn) {
            let mut known = self.dropped_calls.lock();
            if !known.contains(&leak) {
                known.push(leak);
            }
        }
        if self.checks.lock().round_trips {
            self.round_trips.of_turn(turn).into_iter().for_each(|complaint| self.complain(complaint));
        }
    }

    fn wants(&self, turn: u64, outcome: &TurnOutcome) -> bool {
        let checks = *self.checks.lock();
        checks.replay
            && (checks.exhaustive || turn <= FIRST_TURNS || turn.is_power_of_two() || outcome.completion.is_some())
    }

    fn note(&self, turn: &CheckedTurn<'_>) {
        let mut executions = self.executions.lock();
        let header = turn.header;
        if !executions.contains_key(&header.instance) {
            self.seen.lock().push(header.instance.clone());
        }
        let fresh = {
            let again = turn.again();
            Arc::new(again) as Arc<dyn Fn() -> Executor + Send + Sync>
        };
        let execution = executions.entry(header.instance.clone()).or_insert_with(|| Execution {
            id: header.execution.clone(),
            fresh: Arc::clone(&fresh),
            inputs: Vec::new(),
        });
        if execution.id != header.execution || turn.input.turn == 1 {
            *execution = Execution { id: header.execution.clone(), fresh, inputs: Vec::new() };
        }
        // A turn that was refused or lost is run once more.
        while execution.inputs.last().is_some_and(|input| input.turn >= turn.input.turn) {
            execution.inputs.pop();
        }
        execution.inputs.push(turn.input.clone());
    }
}

/// Shared with the hub.
pub(super) struct Watcher(pub(super) Arc<Journal>);

impl TurnCheck for Watcher {
    fn wants_history(&self, _header: &ExecutionHeader, input: &TurnInput, outcome: &TurnOutcome) -> bool {
        self.0.wants(input.turn, outcome)
    }

    fn check(&self, turn: &CheckedTurn<'_>) {
        self.0.note(turn);
        touch(&self.0.gate, turn);
        self.0.look_at(turn);
        if let Some(complaint) = silently(|| difference(turn)) {
            self.0.complain(complaint);
        }
    }

    fn refused(&self, header: &ExecutionHeader, failure: &FailureDetails, stalls: bool) {
        if self.0.checks.lock().faults {
            let what = if stalls { "is stalled" } else { "has failed" };
            self.0.complain(format!("'{}' ({}) {what}: {failure}", header.instance, header.name));
        }
    }
}

/// Tells the gate on which instances a turn has an effect.
fn touch(gate: &Gate, turn: &CheckedTurn<'_>) {
    gate.touch(&turn.header.instance);
    if let (Some(_), Some(parent)) = (&turn.outcome.completion, &turn.header.parent) {
        gate.touch(&parent.instance);
    }
    for (_, action) in &turn.outcome.actions {
        match action {
            Action::SendEvent { instance, .. } => gate.touch(instance),
            Action::StartChild { child, .. } => gate.touch(&child.instance),
            _ => {}
        }
    }
}

/// Replays the history in a fresh executor, runs the turn there, and says what is different.
fn difference(turn: &CheckedTurn<'_>) -> Option<String> {
    let history = turn.history?;
    let what = || format!("turn {} of '{}' ({})", turn.input.turn, turn.header.instance, turn.header.name);
    let mut cold = turn.executor();
    if let Err(fault) = cold.replay(history) {
        return Some(format!("{} cannot be replayed: {fault}", what()));
    }
    match cold.run_turn(turn.input.clone()) {
        Err(fault) => Some(format!("{} fails after a replay: {fault}", what())),
        Ok(again) => compare(turn.outcome, &again).map(|difference| {
            format!(
                "{} is not deterministic: run once more on the same history, it did something else\n{difference}",
                what()
            )
        }),
    }
}

/// The first difference of two outcomes.
fn compare(first: &TurnOutcome, second: &TurnOutcome) -> Option<String> {
    if first == second {
        return None;
    }
    let both = |what: &str, a: String, b: String| Some(format!("  first:  {what} {a}\n  second: {what} {b}"));
    let longest = first.actions.len().max(second.actions.len());
    for at in 0..longest {
        let (a, b) = (first.actions.get(at), second.actions.get(at));
        if a != b {
            let text = |action: Option<&_>| action.map_or_else(|| "nothing".to_owned(), |action| format!("{action:?}"));
            return both("called", text(a), text(b));
        }
    }
    if first.custom_status != second.custom_status {
        return both("custom status", format!("{:?}", first.custom_status), format!("{:?}", second.custom_status));
    }
    if first.completion != second.completion {
        let text = |completion: &Option<(_, Completion)>| match completion {
            Some((_, completion)) => format!("{completion:?}"),
            None => "it went on".to_owned(),
        };
        return both("ended:", text(&first.completion), text(&second.completion));
    }
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = write!(text, "  first:  {first:?}\n  second: {second:?}");
    Some(text)
}
