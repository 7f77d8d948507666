//! Sending messages.

use super::writer::{Instance, Work};
use crate::backend::{Arrived, Completes, InstanceKey, MessageTarget, NewEvent, NewMessage, Recipient, Written};

pub(super) fn message<'a>(work: &mut Work<'a>, message: &'a NewMessage) -> Written {
    let key = match &message.to {
        MessageTarget::Id(id) => work.by_id(id),
        MessageTarget::Execution(key, _) => Some(*key),
    };
    let Some((key, instance)) = key.and_then(|key| Some((key, work.instances.get(&key)?))) else {
        return Written::NotFound;
    };
    let (status, owner) = (instance.status, work.living(instance.owner));
    if is_stale(instance, message) {
        // Nobody waits for the result, but the call is over.
        if let Some(completes @ Completes::Activity(..)) = message.completes {
            work.complete(key, completes);
        }
        return Written::Refused;
    }
    if message.completes.is_some_and(|completes| !work.complete(key, completes)) {
        // Because this very message has arrived already, and the answer was lost?
        return work.arrived(key, &message.event).map_or(Written::Refused, |seq| Written::Queued { key, seq, owner });
    }
    if status.is_terminal() {
        return Written::Finished { status };
    }
    if matches!(message.completes, Some(Completes::Activity(..))) && owner.is_none() {
        dethrone(work, key);
    }
    Written::Queued { key, seq: work.deliver(key, message.time, &message.event), owner }
}

/// Takes an instance from its dead owner, which may have run the same call: no turn of it counts any more that has not heard of
/// the result. Whoever takes the instance over still learns that its owner died.
fn dethrone(work: &mut Work<'_>, key: InstanceKey) {
    if let Some(instance) = work.instances.get_mut(&key).filter(|instance| instance.owner.is_some()) {
        instance.epoch += 1;
        instance.is_held = true;
    }
}

/// Whether the message belongs to another execution than the present one. A call that was taken over later than its
/// instance continued as new is told apart by its generation only.
fn is_stale(instance: &Instance<'_>, message: &NewMessage) -> bool {
    let other = matches!(&message.to, MessageTarget::Execution(_, execution) if *execution != instance.execution);
    let old =
        matches!(message.completes, Some(Completes::Activity(call, _)) if call.generation() != instance.generation);
    other || old
}

/// Puts an event into an inbox, unless the instance is finished or gone.
pub(super) fn deliver<'a>(work: &mut Work<'a>, key: InstanceKey, event: &'a NewEvent) -> Option<Arrived> {
    let instance = work.instances.get(&key).filter(|instance| !instance.status.is_terminal())?;
    let owner = work.living(instance.owner);
    let seq = work.deliver(key, event.time, &event.event);
    Some(Arrived { key, seq, event: event.clone(), owner })
}

/// The unfinished instances that a message of `from` goes to.
pub(super) fn recipients(work: &Work<'_>, from: InstanceKey, to: &Recipient) -> Vec<InstanceKey> {
    let live = |key: &InstanceKey| work.instances.get(key).filter(|instance| !instance.status.is_terminal());
    let children = |fits: &dyn Fn(&Instance<'_>) -> bool| {
        let mut children = work.children(from);
        children.retain(|child| live(child).is_some_and(fits));
        children
    };
    match to {
        Recipient::Id(id) => work.by_id(id).filter(|key| live(key).is_some()).into_iter().collect(),
        Recipient::Execution(key, execution) => {
            let is_that = live(key).is_some_and(|instance| instance.execution == *execution);
            is_that.then_some(*key).into_iter().collect()
        }
        Recipient::Child(call) => children(&|instance| instance.parent_call == Some(*call)),
        Recipient::Children => children(&|instance| instance.parent_call.is_some()),
    }
}
