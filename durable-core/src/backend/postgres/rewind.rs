//! Taking back the ends of instances.

use super::error::Result;
use super::reach;
use super::writer::Work;
use crate::backend::{RewindCommit, Written};
use crate::model::RuntimeStatus;

/// `None` when the stage must end before it.
pub(super) fn rewind<'a>(work: &mut Work<'a>, rewinds: &'a [RewindCommit]) -> Result<Option<Written>> {
    let is_changed =
        |rewind: &RewindCommit| work.instances.get(&rewind.key).is_some_and(|instance| instance.is_changed);
    if rewinds.iter().any(is_changed) {
        return Ok(None);
    }
    if rewinds.iter().all(|rewind| stands_at(work, rewind, rewind.epoch, RuntimeStatus::is_terminal)) {
        for rewind in rewinds {
            rewind_one(work, rewind)?;
        }
        return Ok(Some(Written::Done));
    }
    let done = |rewind: &RewindCommit| stands_at(work, rewind, rewind.epoch + 1, |status| status == rewind.status());
    Ok(Some(if rewinds.iter().all(done) { Written::Done } else { Written::Refused }))
}

fn stands_at(work: &Work<'_>, rewind: &RewindCommit, epoch: u64, status: impl Fn(RuntimeStatus) -> bool) -> bool {
    work.instances.get(&rewind.key).is_some_and(|instance| {
        let place = (&instance.execution, instance.epoch, instance.turn);
        place == (&rewind.execution, epoch, rewind.turn) && status(instance.status)
    })
}

fn rewind_one<'a>(work: &mut Work<'a>, rewind: &'a RewindCommit) -> Result<()> {
    let key = rewind.key;
    // A detached call may still be there; the result of its runner does not count any more.
    let calls: Vec<_> = rewind.activities.iter().map(|new| new.call).collect();
    let timers: Vec<_> = rewind.timers.iter().map(|new| new.call).collect();
    work.end(key, &calls, &[], &timers);
    work.consume(key, u64::MAX);
    work.changes.no_history.push((key.0,));
    for row in &rewind.history {
        work.changes.weigh(row.event.payload.as_ref());
    }
    if let Some(instance) = work.instances.get_mut(&key) {
        instance.status = rewind.status();
        instance.epoch += 1;
        instance.owner = None;
        (instance.is_held, instance.is_changed) = (true, true);
        instance.rewound = Some(rewind);
        for new in &rewind.activities {
            instance.add_call(new, false);
        }
        for new in &rewind.timers {
            instance.add_timer(*new);
        }
    }
    for event in &rewind.inbox {
        work.deliver(key, event.time, &event.event);
    }
    for child in &rewind.children {
        reach::create_child(work, key, child)?;
    }
    Ok(())
}
