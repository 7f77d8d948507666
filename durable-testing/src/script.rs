//! Running an orchestrator on the replay core alone, event by event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::history::{Action, Completion, EventKind, ExecutionHeader, HistoryRecord};
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Limits, Payload, Timestamp, Version};
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};
use durable_core::registry::Registry;
use durable_core::replay::{Executor, Program, ReplayFault, TurnInput, TurnOutcome};
use serde::Serialize;

use crate::events::{child_completed, child_failed, completed, failed, fired, raised, recorded, resumed, suspended};
use crate::or_fail::OrFail as _;

/// An orchestrator with a scripted world: no store, no runtime, no other thread.
///
/// Every turn is checked: a fresh executor replays the whole history up to it and must stand where the live one stands.
/// A script panics when it does not, since that is a failed test.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::Script;
///
/// #[activity]
/// async fn square(n: u64) -> u64 { n * n }
///
/// #[orchestrator]
/// async fn twice(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
///     let once = ctx.call_activity(square, n).await?;
///     ctx.call_activity(square, once).await
/// }
///
/// let mut script = Script::new(twice, 3);
/// assert_eq!(script.calls(), ["#0 square 3"]);
/// script.complete(0, 9);
/// assert_eq!(script.calls(), ["#1 square 9"]);
/// script.complete(1, 81);
/// assert_eq!(script.output(), Some(serde_json::json!(81)));
/// ```
pub struct Script {
    header: Arc<ExecutionHeader>,
    program: Program,
    executor: Executor,
    history: Vec<HistoryRecord>,
    last: TurnOutcome,
    now: Timestamp,
    limits: Limits,
    tasks: BTreeMap<u32, Kind>,
}

/// What stands behind a sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Call,
    Child,
    Timer,
    Message,
}

impl Script {
    /// Starts an orchestrator and runs its first turn.
    ///
    /// # Panics
    ///
    /// When the input has no JSON form, or the turn has a fault.
    #[track_caller]
    pub fn new<M, F: OrchestratorItem<M>>(
        orchestrator: F,
        input: <F::Definition as OrchestratorDefinition>::Input,
    ) -> Self {
        Self::try_new(orchestrator, input).or_fail(|fault| fault.to_string())
    }

    /// Like [`new`](Self::new), and gives the fault of the first turn.
    ///
    /// # Errors
    ///
    /// The code awaits what is not durable.
    ///
    /// # Panics
    ///
    /// When the input has no JSON form.
    #[expect(clippy::needless_pass_by_value, reason = "a caller gives the function and its input away")]
    pub fn try_new<M, F: OrchestratorItem<M>>(
        _orchestrator: F,
        input: <F::Definition as OrchestratorDefinition>::Input,
    ) -> Result<Self, ReplayFault> {
        let input = Payload::encode(&input).expect("the input has a JSON form");
        let (name, program) = program::<F::Definition>();
        let instance = InstanceId::new("script").expect("a valid id");
        let execution = ExecutionId::from_stored("0123456789abcdef0123456789abcdef");
        let header = ExecutionHeader::new(instance, execution, name, input);
        Self::start(header, program, Limits::default(), &[])
    }

    /// Starts an orchestrator as an execution with this header, under these limits, and with further events in its first
    /// turn.
    ///
    /// # Errors
    ///
    /// The code awaits what is not durable.
    pub fn with_header<M, F: OrchestratorItem<M>>(
        _orchestrator: F,
        header: ExecutionHeader,
        limits: Limits,
        events: &[EventKind],
    ) -> Result<Self, ReplayFault> {
        Self::start(header, program::<F::Definition>().1, limits, events)
    }

    fn start(
        header: ExecutionHeader,
        program: Program,
        limits: Limits,
        events: &[EventKind],
    ) -> Result<Self, ReplayFault> {
        let header = Arc::new(header);
        let started = EventKind::ExecutionStarted(Arc::clone(&header));
        let mut script = Self {
            executor: Executor::new(Arc::clone(&header), program.clone(), limits, None),
            header,
            program,
            history: Vec::new(),
            last: TurnOutcome::default(),
            limits,
            tasks: BTreeMap::new(),
            now: Timestamp::from_ticks(17_040_672_000_000_000),
        };
        script.try_turn([started].into_iter().chain(events.iter().cloned()))?;
        Ok(script)
    }

    /// The next execution of an orchestrator that has just continued as new, after its first turn.
    ///
    /// # Panics
    ///
    /// When the last turn did not continue as new, or the next one has a fault.
    #[must_use]
    #[track_caller]
    pub fn next_execution(&self) -> Self {
        let Some(Completion::ContinuedAsNew(next)) = self.completion() else {
            panic!("the orchestrator has not continued as new: {:?}", self.completion())
        };
        let mut header = ExecutionHeader::clone(&self.header);
        header.generation += 1;
        header.execution = ExecutionId::from_stored(&format!("{:032x}", header.generation));
        header.input = next.input.clone();
        header.version = next.version.clone().or(header.version);
        Self::start(header, self.program.clone(), self.limits, &next.carried).or_fail(|fault| fault.to_string())
    }

    /// Runs one turn with these events, and replays everything.
    ///
    /// # Panics
    ///
    /// When the turn has a fault, or the replay differs.
    #[track_caller]
    pub fn turn(&mut self, events: impl IntoIterator<Item = EventKind>) {
        self.try_turn(events).or_fail(|fault| fault.to_string());
    }

    /// Like [`turn`](Self::turn), and gives the fault.
    ///
    /// # Errors
    ///
    /// The code awaits what is not durable.
    ///
    /// # Panics
    ///
    /// When the replay differs from the live run.
    #[track_caller]
    pub fn try_turn(&mut self, events: impl IntoIterator<Item = EventKind>) -> Result<(), ReplayFault> {
        self.now = self.now.next_tick();
        let events: Vec<_> = events.into_iter().collect();
        let input = TurnInput { turn: self.executor.turn() + 1, time: self.now, events: events.clone() };
        let turn = input.turn;
        let mut cold = self.fresh();
        cold.replay(&self.history).or_fail(|fault| format!("the replay before turn {turn} differs: {fault}"));
        let from_cold = cold.run_turn(input.clone());
        let outcome = self.executor.run_turn(input)?;
        let from_cold = from_cold.or_fail(|fault| format!("turn {turn} faults only after a replay: {fault}"));
        assert_eq!(from_cold, outcome, "turn {turn} differs after a replay");
        let record = |kind| HistoryRecord { turn, turn_time: self.now, time: self.now, kind };
        self.history.extend(events.into_iter().chain(recorded(&outcome)).map(record));
        self.tasks.extend(outcome.actions.iter().map(|(id, action)| (id.0, kind(action))));
        self.last = outcome;
        Ok(())
    }

    fn fresh(&self) -> Executor {
        Executor::new(Arc::clone(&self.header), self.program.clone(), self.limits, None)
    }

    #[track_caller]
    fn check(&self, id: u32, kind: Kind) {
        let known: Vec<_> = self.tasks.iter().filter(|(_, other)| **other == kind).map(|(id, _)| *id).collect();
        let what = match kind {
            Kind::Call => "call",
            Kind::Child => "child",
            Kind::Timer => "timer",
            Kind::Message => "message",
        };
        assert!(known.contains(&id), "the orchestrator has made no {what} #{id}; there are {known:?}");
    }

    /// Completes a call with a value.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), when there is no such call, and when the value has no JSON form.
    #[track_caller]
    pub fn complete(&mut self, task: u32, result: impl Serialize) {
        self.check(task, Kind::Call);
        self.turn([completed(task, result)]);
    }

    /// Fails a call.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when there is no such call.
    #[track_caller]
    pub fn fail(&mut self, task: u32, failure: FailureDetails) {
        self.check(task, Kind::Call);
        self.turn([failed(task, failure)]);
    }

    /// Completes a child with a value.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), when there is no such child, and when the value has no JSON form.
    #[track_caller]
    pub fn complete_child(&mut self, task: u32, result: impl Serialize) {
        self.check(task, Kind::Child);
        self.turn([child_completed(task, result)]);
    }

    /// Fails a child.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when there is no such child.
    #[track_caller]
    pub fn fail_child(&mut self, task: u32, failure: FailureDetails) {
        self.check(task, Kind::Child);
        self.turn([child_failed(task, failure)]);
    }

    /// Suspends the instance.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn).
    #[track_caller]
    pub fn suspend(&mut self) {
        self.turn([suspended()]);
    }

    /// Resumes the instance.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn).
    #[track_caller]
    pub fn resume(&mut self) {
        self.turn([resumed()]);
    }

    /// Lets time pass before the next turn.
    pub fn wait(&mut self, time: Duration) {
        self.now = self.now.saturating_add(time);
    }

    /// The time of the last turn, or what [`wait`](Self::wait) has made of it.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Fires a timer.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when there is no such timer.
    #[track_caller]
    pub fn fire(&mut self, timer: u32) {
        self.check(timer, Kind::Timer);
        self.turn([fired(timer)]);
    }

    /// Raises an event.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when the name is not valid or the payload has no JSON form.
    #[track_caller]
    pub fn raise(&mut self, name: &str, payload: impl Serialize) {
        self.turn([raised(name, payload)]);
    }

    /// What the last turn decided.
    #[must_use]
    pub fn outcome(&self) -> &TurnOutcome {
        &self.last
    }

    /// The actions of the last turn as short texts: `#0 name input` for an activity, `#0 child name instance input`,
    /// `#0 start name instance input`, `#1 timer`, `#2 event name instance payload`, `-#0` for a cancellation.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let actions = self.last.actions.iter().map(|(id, action)| match action {
            Action::ScheduleTask { name, input, .. } => format!("{id} {name} {input}"),
            Action::CreateTimer { .. } => format!("{id} timer"),
            Action::StartChild { child, .. } => {
                let what = if child.is_detached { "start" } else { "child" };
                format!("{id} {what} {} {} {}", child.name, child.instance, child.input)
            }
            Action::SendEvent { instance, name, input, .. } => format!("{id} event {name} {instance} {input}"),
            _ => format!("{id} action"),
        });
        actions.chain(self.last.canceled.iter().map(|id| format!("-{id}"))).collect()
    }

    /// How the orchestrator ended in the last turn.
    #[must_use]
    pub fn completion(&self) -> Option<&Completion> {
        self.last.completion.as_ref().map(|(_, completion)| completion)
    }

    /// The output, when the orchestrator completed in the last turn.
    ///
    /// # Panics
    ///
    /// When the orchestrator failed.
    #[must_use]
    pub fn output(&self) -> Option<serde_json::Value> {
        match self.completion()? {
            Completion::Completed(output) => output.decode().ok(),
            other => panic!("the orchestrator did not complete: {other:?}"),
        }
    }

    /// The recorded history.
    #[must_use]
    pub fn history(&self) -> &[HistoryRecord] {
        &self.history
    }

    /// Replays this script's history against another orchestrator, as after a deployment of new code.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn replay_with<M, F: OrchestratorItem<M>>(&self, _other: F) -> Result<(), ReplayFault> {
        let (_, program) = program::<F::Definition>();
        Executor::new(Arc::clone(&self.header), program, self.limits, None).replay(&self.history)
    }

    /// Replays a given history against this orchestrator.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn replay_history(&self, history: &[HistoryRecord]) -> Result<(), ReplayFault> {
        self.fresh().replay(history)
    }

    /// Runs the same orchestrator with all received events in a single turn, and gives the end of that.
    ///
    /// # Errors
    ///
    /// The code awaits what is not durable.
    pub fn batched(&self) -> Result<TurnOutcome, ReplayFault> {
        let events = self.history.iter().map(|record| record.kind.clone()).filter(|kind| !kind.is_action());
        self.run_in_one_turn(events)
    }

    /// Runs the same orchestrator from its start with these events in a single turn.
    ///
    /// # Errors
    ///
    /// The code awaits what is not durable.
    pub fn run_in_one_turn(&self, events: impl IntoIterator<Item = EventKind>) -> Result<TurnOutcome, ReplayFault> {
        self.fresh().run_turn(TurnInput { turn: 1, time: self.now, events: events.into_iter().collect() })
    }
}

fn program<D: OrchestratorDefinition>() -> (FunctionName, Program) {
    let mut registry = Registry::default();
    registry.add_orchestrator::<D>().expect("the only orchestrator");
    let name = FunctionName::new(D::NAME).expect("checked by the registry");
    let version = D::VERSION.map(|version| Version::new(version).expect("checked by the registry"));
    let program = registry.orchestrator(&name, version.as_ref()).expect("just added");
    (name, program)
}

fn kind(action: &Action) -> Kind {
    match action {
        Action::CreateTimer { .. } => Kind::Timer,
        Action::StartChild { .. } => Kind::Child,
        Action::SendEvent { .. } => Kind::Message,
        _ => Kind::Call,
    }
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("history", &self.history).finish_non_exhaustive()
    }
}
