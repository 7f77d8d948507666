//! Running an orchestrator on the replay core alone, event by event.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use durable_core::history::{Action, Completion, EventKind, ExecutionHeader, HistoryRecord};
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Limits, Payload, Timestamp, Version};
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};
use durable_core::registry::Registry;
use durable_core::replay::{Executor, Program, ReplayFault, TurnInput, TurnOutcome};
use serde::Serialize;

use crate::events::{completed, failed, fired, raised};

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
    /// What was ever scheduled: true for a timer.
    timers: BTreeMap<u32, bool>,
}

impl Script {
    /// Starts an orchestrator and runs its first turn.
    ///
    /// # Panics
    ///
    /// When the input has no JSON form, or the turn has a fault.
    pub fn new<M, F: OrchestratorItem<M>>(
        orchestrator: F,
        input: <F::Definition as OrchestratorDefinition>::Input,
    ) -> Self {
        Self::try_new(orchestrator, input).unwrap_or_else(|fault| panic!("{fault}"))
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
        let header = Arc::new(ExecutionHeader::new(instance, execution, name, input));
        let started = EventKind::ExecutionStarted(Arc::clone(&header));
        let mut script = Self {
            executor: Executor::new(Arc::clone(&header), program.clone(), Limits::default(), None),
            header,
            program,
            history: Vec::new(),
            last: TurnOutcome::default(),
            timers: BTreeMap::new(),
            now: Timestamp::from_ticks(17_040_672_000_000_000),
        };
        script.try_turn([started])?;
        Ok(script)
    }

    /// Runs one turn with these events, and replays everything.
    ///
    /// # Panics
    ///
    /// When the turn has a fault, or the replay differs.
    pub fn turn(&mut self, events: impl IntoIterator<Item = EventKind>) {
        self.try_turn(events).unwrap_or_else(|fault| panic!("{fault}"));
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
    pub fn try_turn(&mut self, events: impl IntoIterator<Item = EventKind>) -> Result<(), ReplayFault> {
        self.now = self.now.next_tick();
        let events: Vec<_> = events.into_iter().collect();
        let input = TurnInput { turn: self.executor.turn() + 1, time: self.now, events: events.clone() };
        let turn = input.turn;
        let mut cold = Executor::new(Arc::clone(&self.header), self.program.clone(), Limits::default(), None);
        cold.replay(&self.history).unwrap_or_else(|fault| panic!("the replay before turn {turn} differs: {fault}"));
        let from_cold = cold.run_turn(input.clone());
        let outcome = self.executor.run_turn(input)?;
        let from_cold = from_cold.unwrap_or_else(|fault| panic!("turn {turn} faults only after a replay: {fault}"));
        assert_eq!(from_cold, outcome, "turn {turn} differs after a replay");
        let record = |kind| HistoryRecord { turn, turn_time: self.now, time: self.now, kind };
        self.history.extend(events.into_iter().chain(recorded(&outcome)).map(record));
        let timers = outcome.actions.iter().map(|(id, action)| (id.0, matches!(action, Action::CreateTimer { .. })));
        self.timers.extend(timers);
        self.last = outcome;
        Ok(())
    }

    #[track_caller]
    fn check(&self, id: u32, timer: bool) {
        let what = if timer { "timer" } else { "call" };
        let known: Vec<_> = self.timers.iter().filter(|(_, other)| **other == timer).map(|(id, _)| *id).collect();
        assert!(known.contains(&id), "the orchestrator has made no {what} #{id}; its {what}s are {known:?}");
    }

    /// Completes a call with a value.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), when there is no such call, and when the value has no JSON form.
    #[track_caller]
    pub fn complete(&mut self, task: u32, result: impl Serialize) {
        self.check(task, false);
        self.turn([completed(task, result)]);
    }

    /// Fails a call.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when there is no such call.
    #[track_caller]
    pub fn fail(&mut self, task: u32, failure: FailureDetails) {
        self.check(task, false);
        self.turn([failed(task, failure)]);
    }

    /// Fires a timer.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when there is no such timer.
    #[track_caller]
    pub fn fire(&mut self, timer: u32) {
        self.check(timer, true);
        self.turn([fired(timer)]);
    }

    /// Raises an event.
    ///
    /// # Panics
    ///
    /// As [`turn`](Self::turn), and when the name is not valid or the payload has no JSON form.
    pub fn raise(&mut self, name: &str, payload: impl Serialize) {
        self.turn([raised(name, payload)]);
    }

    /// What the last turn decided.
    #[must_use]
    pub fn outcome(&self) -> &TurnOutcome {
        &self.last
    }

    /// The actions of the last turn as short texts: `#0 name input`, `#1 timer`, `-#0` for a cancellation.
    #[must_use]
    pub fn calls(&self) -> Vec<String> {
        let actions = self.last.actions.iter().map(|(id, action)| match action {
            Action::ScheduleTask { name, input, .. } => format!("{id} {name} {input}"),
            Action::CreateTimer { .. } => format!("{id} timer"),
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
        Executor::new(Arc::clone(&self.header), program, Limits::default(), None).replay(&self.history)
    }

    /// Replays a given history against this orchestrator.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn replay_history(&self, history: &[HistoryRecord]) -> Result<(), ReplayFault> {
        Executor::new(Arc::clone(&self.header), self.program.clone(), Limits::default(), None).replay(history)
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
        let mut executor = Executor::new(Arc::clone(&self.header), self.program.clone(), Limits::default(), None);
        executor.run_turn(TurnInput { turn: 1, time: self.now, events: events.into_iter().collect() })
    }
}

fn program<D: OrchestratorDefinition>() -> (FunctionName, Program) {
    let mut registry = Registry::default();
    registry.add_orchestrator::<D>().expect("the only orchestrator");
    let name = FunctionName::new(D::NAME).expect("checked by the registry");
    let version = D::VERSION.map(|version| Version::new(version).expect("checked by the registry"));
    let program = registry.orchestrator(&name, version.as_ref()).expect("just added").clone();
    (name, program)
}

/// The history events of an outcome.
fn recorded(outcome: &TurnOutcome) -> impl Iterator<Item = EventKind> {
    let actions = outcome.actions.iter().filter_map(|(id, action)| match action.clone() {
        Action::ScheduleTask { name, input, options, source } => {
            Some(EventKind::TaskScheduled { id: *id, name, input, options, source: Some(source) })
        }
        Action::CreateTimer { fire_at, source } => {
            Some(EventKind::TimerCreated { id: *id, fire_at, source: Some(source) })
        }
        _ => None,
    });
    let canceled = outcome.canceled.iter().map(|task_id| EventKind::TaskCanceled { task_id: *task_id });
    let end = outcome.completion.iter().map(|(id, completion)| {
        let (result, failure) = match completion.clone() {
            Completion::Completed(output) => (Some(output), None),
            Completion::Failed(failure) => (None, Some(failure)),
            Completion::Terminated(_) | Completion::ContinuedAsNew(_) => (None, None),
        };
        EventKind::ExecutionCompleted { id: *id, status: completion.status(), result, failure }
    });
    actions.chain(canceled).chain(end).collect::<Vec<_>>().into_iter()
}

impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Script").field("history", &self.history).finish_non_exhaustive()
    }
}
