//! Committing a turn.

use super::error::Result;
use super::writer::{Instance, Work};
use super::{next, reach};
use crate::backend::{HeldCall, TurnCommit, Written};

/// What a turn finds.
enum Fence {
    Fits,
    Applied,
    Refused,
}

/// `None` when the stage must end before it.
pub(super) fn turn<'a>(work: &mut Work<'a>, turn: &'a TurnCommit) -> Result<Option<Written>> {
    let Some(instance) = work.instances.get(&turn.key) else { return Ok(Some(Written::Refused)) };
    if instance.is_changed {
        return Ok(None);
    }
    match fence(instance, turn) {
        Fence::Fits if work.are_claims_known => {
            let holds = |held: &HeldCall| work.claim_of(held.key, held.call) == Some(held.claim);
            if !turn.results.iter().all(holds) {
                return Ok(Some(Written::Refused));
            }
        }
        Fence::Fits => {}
        Fence::Applied => return Ok(Some(reach::reached_before(work, turn))),
        Fence::Refused => return Ok(Some(Written::Refused)),
    }
    let Some(instance) = work.instances.get_mut(&turn.key) else { return Ok(Some(Written::Refused)) };
    (instance.status, instance.turn) = (turn.status, turn.turn);
    instance.turned = Some(turn);
    instance.is_changed = true;
    weigh(work, turn);
    end_tasks(work, turn);
    if let Some(next) = &turn.next {
        next::continue_as(work, turn.key, next);
    }
    if let Some(instance) = work.instances.get_mut(&turn.key) {
        for new in &turn.new_activities {
            instance.add_call(new, new.runner.is_some());
        }
        for new in &turn.new_timers {
            instance.add_timer(*new);
        }
    }
    reach::reach(work, turn).map(Some)
}

fn fence(instance: &Instance<'_>, turn: &TurnCommit) -> Fence {
    if instance.epoch != turn.epoch {
        return Fence::Refused;
    }
    let after = turn.next.as_ref().map_or(&turn.execution, |next| &next.execution);
    if instance.turn == turn.turn && instance.execution == *after {
        return Fence::Applied;
    }
    let fits = instance.turn + 1 == turn.turn && instance.execution == turn.execution && !instance.status.is_terminal();
    if fits { Fence::Fits } else { Fence::Refused }
}

fn weigh(work: &mut Work<'_>, turn: &TurnCommit) {
    for payload in [&turn.output, &turn.custom_status] {
        work.changes.weigh(payload.as_ref());
    }
    for new in &turn.history {
        work.changes.weigh(new.event.payload.as_ref());
    }
    for new in &turn.new_activities {
        work.changes.weigh(Some(&new.input));
    }
}

fn end_tasks(work: &mut Work<'_>, turn: &TurnCommit) {
    let (key, is_over) = (turn.key, turn.status.is_terminal());
    work.end(key, &turn.activities_gone, &turn.results, &turn.timers_gone);
    if turn.drop_activities {
        work.end_all_calls(key);
    }
    if is_over || turn.next.is_some() {
        work.end_all_timers(key);
    }
    work.consume(key, if is_over { u64::MAX } else { turn.inbox_through });
}
