//! Carrying out writes.

use super::schema::Tables;
use crate::backend::{CallId, InstanceKey, Write, Written};
use crate::model::Payload;

impl Tables {
    pub(super) fn apply(&mut self, write: &Write) -> Written {
        match write {
            Write::Create(create) => self.create(create.clone()),
            Write::Turn(turn) => self.turn(turn),
            Write::Message(message) => self.message(message.clone()),
            Write::Claim { key, worker, runs } => self.claim(*key, *worker, runs),
            Write::ClaimReady { worker, after, limit, runs, again } => {
                self.claim_ready(*worker, *after, *limit, runs, *again)
            }
            Write::Release(releases) => self.release(releases),
            Write::HandBack(calls) => self.hand_back(calls),
            Write::Watch { id } => self.watch(id),
            Write::Attempt { key, epoch } => self.attempt(*key, *epoch),
            Write::ClaimActivities { worker, first_claim, limit, runs } => {
                self.claim_activities(*worker, *first_claim, *limit, runs)
            }
            Write::Stall { key, epoch, reason } => self.stall(*key, *epoch, reason.clone()),
            Write::Progress { key, call, claim, progress } => self.progress(*key, *call, *claim, progress.clone()),
            Write::Rewind(rewinds) => self.rewind(rewinds.clone()),
            Write::Purge { keys, force } => self.purge(keys, *force),
            Write::Expire { status, through, limit } => self.expire(*status, *through, *limit),
        }
    }

    fn stall(&mut self, key: InstanceKey, epoch: u64, reason: Option<String>) -> Written {
        match self.instances.get_mut(&key) {
            Some(instance) if instance.row.epoch == epoch && !instance.row.status.is_terminal() => {
                instance.row.stalled = reason;
                instance.row.crashes = 0;
                Written::Done
            }
            _ => Written::Refused,
        }
    }

    fn progress(&mut self, key: InstanceKey, call: CallId, claim: i64, progress: Payload) -> Written {
        match self.instances.get_mut(&key).and_then(|instance| instance.activities.get_mut(&call)) {
            Some(activity) if activity.claim == claim => {
                activity.progress = Some(progress);
                Written::Done
            }
            _ => Written::Refused,
        }
    }
}
