//! What waits for its place beside the answers of activities: timers that are due, and turns that could come in any order.

use std::sync::Arc;

use durable_core::BoxFuture;
use durable_core::backend::{Backend, CallId, InstanceFilter, InstanceKey, TimerRow};
use durable_core::history::{Action, EventKind, ExecutionHeader};
use durable_core::model::InstanceId;
use durable_core::replay::{TurnInput, TurnOutcome};

use super::gate::{Gate, Kind};
use crate::faults::FaultyBackend;

/// Holds timers back that are due.
#[derive(Debug)]
pub(super) struct HeldTimers {
    gate: Gate,
    store: Arc<FaultyBackend>,
}

impl HeldTimers {
    pub(super) fn new(gate: Gate, store: Arc<FaultyBackend>) -> Self {
        Self { gate, store }
    }

    /// Completes when the timer has its turn.
    pub(super) fn hold(&self, timer: &TimerRow) -> Option<BoxFuture<'static, ()>> {
        if !self.gate.is_closed() {
            return None;
        }
        let (gate, store, timer) = (self.gate.clone(), Arc::clone(&self.store), *timer);
        Some(Box::pin(async move {
            let Some(id) = id_of(&store, timer.key).await else { return };
            let what = if timer.call == CallId::START {
                format!("the start of '{id}'")
            } else {
                format!("the timer {} of '{id}'", timer.call.task())
            };
            gate.pass(Kind::Timer(timer.fire_at, timer.call), what, &id).await;
        }))
    }
}

async fn id_of(store: &FaultyBackend, key: InstanceKey) -> Option<InstanceId> {
    let all = store.list(InstanceFilter { limit: usize::MAX, ..InstanceFilter::default() }).await.ok()?;
    InstanceId::new(&all.iter().find(|row| row.key == key)?.id).ok()
}

/// Holds a turn back that is as ready as others: the first one of a child, and one with an event that was not sent alone.
pub(super) fn hold_turn(gate: &Gate, header: &ExecutionHeader, input: &TurnInput) -> Option<BoxFuture<'static, ()>> {
    if !gate.is_closed() {
        return None;
    }
    let is_child = header.parent.is_some() && header.generation == 0 && header.scheduled_start.is_none();
    let is_child = is_child && !gate.is_mocked(&header.name);
    let starts = is_child && input.events.iter().any(|event| matches!(event, EventKind::ExecutionStarted(_)));
    let has_event = input.events.iter().any(|event| matches!(event, EventKind::EventRaised { .. }));
    let is_held = starts || (has_event && gate.take_one_of_several(&header.instance));
    if !is_held {
        return None;
    }
    let (gate, id) = (gate.clone(), header.instance.clone());
    let what = if starts { format!("the first turn of '{id}'") } else { format!("a turn of '{id}'") };
    Some(Box::pin(async move { gate.pass(Kind::Turn, what, &id).await }))
}

/// Tells the gate on which instances a turn has an effect.
pub(super) fn touch(gate: &Gate, header: &ExecutionHeader, outcome: &TurnOutcome) {
    if !gate.is_closed() {
        return;
    }
    gate.touch(&header.instance);
    if let (Some(_), Some(parent)) = (&outcome.completion, &header.parent) {
        gate.touch(&parent.instance);
    }
    let reached: Vec<_> = outcome.actions.iter().filter_map(|(_, action)| reaches(action)).collect();
    for instance in &reached {
        gate.touch(instance);
    }
    if reached.len() > 1 {
        reached.into_iter().for_each(|instance| gate.is_one_of_several(instance));
    }
}

fn reaches(action: &Action) -> Option<&InstanceId> {
    match action {
        Action::SendEvent { instance, .. } => Some(instance),
        Action::StartChild { child, .. } => Some(&child.instance),
        _ => None,
    }
}
