//! What a turn does to other instances.

use super::create;
use super::error::Result;
use super::message::{deliver, recipients};
use super::writer::Work;
use crate::backend::{Arrived, Committed, InstanceKey, NewChild, Started, TurnCommit, Written};

pub(super) fn reach<'a>(work: &mut Work<'a>, turn: &'a TurnCommit) -> Result<Written> {
    let watched = is_seen(work, turn.key);
    if turn.children.is_empty() && turn.messages.is_empty() && !watched {
        return Ok(Written::Done);
    }
    let mut committed = Committed { watched, ..Committed::default() };
    for child in &turn.children {
        let (started, arrived) = create_child(work, turn.key, child)?;
        committed.started.push(started);
        committed.arrived.extend(arrived);
    }
    for message in &turn.messages {
        for to in recipients(work, turn.key, &message.to) {
            committed.arrived.extend(deliver(work, to, &message.event));
        }
    }
    Ok(Written::Committed(Box::new(committed)))
}

/// Starts a child, or tells its parent, if that one still reads, that the id is taken.
pub(super) fn create_child<'a>(
    work: &mut Work<'a>,
    parent: InstanceKey,
    child: &'a NewChild,
) -> Result<(Option<Started>, Option<Arrived>)> {
    if let Written::Created(started) = create::create(work, &child.create, Some(parent))? {
        return Ok((Some(started), None));
    }
    Ok((None, child.if_taken.as_ref().and_then(|event| deliver(work, parent, event))))
}

/// Whether those who watch the instance learn of the turn that it has just had.
fn is_seen(work: &Work<'_>, key: InstanceKey) -> bool {
    let instance = work.instances.get(&key);
    instance.is_some_and(|instance| instance.watched && (instance.turn == 1 || instance.status.is_terminal()))
}

/// The answer to a turn that was committed before.
pub(super) fn reached_before(work: &Work<'_>, turn: &TurnCommit) -> Written {
    let watched = is_seen(work, turn.key);
    if turn.children.is_empty() && turn.messages.is_empty() && !watched {
        return Written::Done;
    }
    let started = turn.children.iter().map(|child| {
        let key = work.by_id(&child.create.id)?;
        let instance = work.instances.get(&key)?;
        let same = instance.execution == child.create.execution;
        same.then_some(Started { key, epoch: instance.epoch, owner: instance.owner, replaced: None })
    });
    let started = started.collect();
    let to = turn.messages.iter().flat_map(|message| recipients(work, turn.key, &message.to));
    let mut look: Vec<_> = to.collect();
    if turn.children.iter().any(|child| child.if_taken.is_some()) {
        look.push(turn.key);
    }
    look.sort_unstable();
    look.dedup();
    Written::Committed(Box::new(Committed { started, arrived: Vec::new(), look, watched }))
}
