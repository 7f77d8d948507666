//! Replaying a recorded history, turn by turn.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{SourceLocation, TaskId};
use durable_core::orchestration::OrchestratorDefinition;
use durable_core::replay::{Executor, NonDeterminism, Program, ReplayFault};

use super::report::{Difference, Problem};
use super::turns::{Turn, turns};
use super::{Deployment, RecordedHistory, ReplayReport};

/// Replays against the code of the deployment for the name and version of the execution.
pub(super) fn against(recorded: &RecordedHistory, deployment: &Deployment) -> Result<(), ReplayReport> {
    let header = recorded.header();
    match deployment.registry.orchestrator(&header.name, header.version.as_ref()) {
        Some(program) => run(recorded, program, deployment),
        None => Err(ReplayReport::missing(header, deployment)),
    }
}

/// Replays against one orchestrator.
pub(super) fn against_definition<D: OrchestratorDefinition>(recorded: &RecordedHistory) -> Result<(), ReplayReport> {
    let deployment = Deployment::new().definition::<D>();
    let only = |name| deployment.registry.versions(name).into_iter().next().map(|version| (name.clone(), version));
    let program = deployment.registry.orchestrator_names().iter().find_map(only).and_then(|(name, version)| {
        let version = version.as_ref();
        deployment.registry.orchestrator(&name, version)
    });
    match program {
        Some(program) => run(recorded, program, &deployment),
        None => unreachable!("it has just been added"),
    }
}

fn run(recorded: &RecordedHistory, program: Program, deployment: &Deployment) -> Result<(), ReplayReport> {
    let events = recorded.events();
    let turns = turns(events).unwrap_or_else(|error| unreachable!("checked when it was recorded: {error}"));
    let header = Arc::new(recorded.header().clone());
    let executor = Executor::new(header, program, deployment.limits, None);
    let mut executor = executor.with_event_order(deployment.event_order);
    for (before_it, turn) in (0..).zip(&turns) {
        if let Err(fault) = unhurried(|| executor.replay(&turn.records)) {
            let event = place(turn, &fault);
            let difference = Difference {
                turn: before_it + 1,
                event,
                before: before(events, event),
                waits: executor.waits(),
                fault,
            };
            return Err(ReplayReport::new(recorded.header(), Problem::Differs(Box::new(difference))));
        }
    }
    Ok(())
}

/// Runs code without the share of a task: what a runtime's own futures do in a turn must not depend on who replays it.
fn unhurried<T>(run: impl FnOnce() -> T) -> T {
    let future = pin!(tokio::task::unconstrained(async move { run() }));
    match future.poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("it does not wait"),
    }
}

/// The index of the event at which a turn differs.
fn place(turn: &Turn, fault: &ReplayFault) -> usize {
    let end = turn.events.end;
    let ReplayFault::NonDeterminism(difference) = fault else { return end };
    let NonDeterminism { task_id, recorded, .. } = &**difference;
    let at = |found: &dyn Fn(&EventKind) -> bool| turn.records.iter().position(|record| found(&record.kind));
    let found = match (task_id, recorded) {
        // The code does something in addition: it would stand before the next call.
        (Some(id), None) => at(&|kind| called(kind).is_some_and(|other| other > *id)).or(Some(turn.records.len())),
        (Some(id), Some(side)) => {
            let of_call = || at(&|kind| called(kind) == Some(*id));
            let of_other = || at(&|kind| refers_to(kind) == Some(*id));
            // Only a call has a source.
            if side.source.is_some() { of_call() } else { of_other().or_else(of_call) }
        }
        (None, _) => None,
    };
    turn.events.start + found.unwrap_or_default()
}

fn called(kind: &EventKind) -> Option<TaskId> {
    kind.action_id()
}

/// The call that is cancelled or has come to its end.
fn refers_to(kind: &EventKind) -> Option<TaskId> {
    match kind {
        EventKind::TaskCanceled { task_id }
        | EventKind::TaskCompleted { task_id, .. }
        | EventKind::TaskFailed { task_id, .. }
        | EventKind::SubOrchestrationInstanceCompleted { task_id, .. }
        | EventKind::SubOrchestrationInstanceFailed { task_id, .. }
        | EventKind::TimerFired { timer_id: task_id, .. } => Some(*task_id),
        _ => None,
    }
}

/// The last call that was made before an event, for people: there the code still does what it did.
fn before(events: &[HistoryEvent], event: usize) -> Option<String> {
    events[..event.min(events.len())].iter().rev().find_map(|event| {
        let (what, source) = match &event.kind {
            EventKind::TaskScheduled { name, source, .. } => (format!("activity '{name}'"), source),
            EventKind::SubOrchestrationInstanceCreated { child, source, .. } => {
                (format!("orchestration '{}'", child.name), source)
            }
            EventKind::TimerCreated { fire_at, source, .. } => (format!("a timer for {fire_at}"), source),
            EventKind::EventSent { name, source, .. } => (format!("event '{name}'"), source),
            _ => return None,
        };
        let source = source.as_ref().map(|source: &SourceLocation| format!(" (at {source})")).unwrap_or_default();
        event.kind.action_id().map(|id| format!("{id}, {what}{source}"))
    })
}
