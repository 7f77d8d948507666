//! Carrying out writes, on what a stage knows. What is said here and in the files beside it changes nothing in the store yet.

use super::error::Result;
use super::writer::{Answer, Work, free_text};
use super::{claim, create, message, purge, rewind, turn};
use crate::backend::{CallId, InstanceKey, Write, Written};
use crate::model::Payload;

/// What becomes of a write; `None` when the stage must end before it.
pub(super) fn apply<'a>(work: &mut Work<'a>, write: &'a Write) -> Result<Option<Answer>> {
    let written = match write {
        Write::Create(create) => Some(create::create(work, create, create.parent)?),
        Write::Turn(turn) => turn::turn(work, turn)?,
        Write::Message(message) => Some(message::message(work, message)),
        Write::Claim { key, worker, runs } => claim::claim(work, *key, *worker, runs),
        Write::Release(releases) => Some(claim::release(work, releases)),
        Write::HandBack(calls) => Some(claim::hand_back(work, calls)),
        Write::Watch { id } => Some(claim::watch(work, id)),
        Write::Attempt { key, epoch } => claim::attempt(work, *key, *epoch),
        Write::Stall { key, epoch, reason } => stall(work, *key, *epoch, reason.as_deref()),
        Write::Progress { key, call, claim, progress: told } => Some(progress(work, *key, *call, *claim, told)),
        Write::Rewind(rewinds) => rewind::rewind(work, rewinds)?,
        Write::Purge { keys, force } => Some(purge::purge(work, keys, *force)),
        Write::ClaimActivities { worker, first_claim, limit, runs } => {
            return Ok(Some(Answer::Activities(claim::ActivityClaim::new(*worker, *first_claim, *limit, runs))));
        }
        // Stages of their own.
        Write::ClaimReady { .. } | Write::Expire { .. } => None,
    };
    Ok(written.map(Answer::Known))
}

fn stall<'a>(work: &mut Work<'a>, key: InstanceKey, epoch: u64, reason: Option<&'a str>) -> Option<Written> {
    let Some(instance) = work.instances.get_mut(&key).filter(|instance| instance.epoch == epoch) else {
        return Some(Written::Refused);
    };
    if instance.is_changed {
        return None;
    }
    if instance.status.is_terminal() {
        return Some(Written::Refused);
    }
    instance.is_changed = true;
    work.changes.stalled.push((key.0, reason.map(free_text)));
    Some(Written::Done)
}

fn progress<'a>(work: &mut Work<'a>, key: InstanceKey, call: CallId, claim: i64, progress: &'a Payload) -> Written {
    if work.claim_of(key, call) != Some(claim) {
        return Written::Refused;
    }
    work.changes.weigh(Some(progress));
    work.changes.progressed.push((key.0, call.0, progress.as_str()));
    Written::Done
}
