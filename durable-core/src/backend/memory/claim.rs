//! Taking instances and activities over.

use super::schema::Tables;
use crate::backend::{Claimed, InstanceKey, WorkerId, Written};

impl Tables {
    pub(super) fn claim(&mut self, key: InstanceKey, worker: WorkerId) -> Written {
        let Some(instance) = self.instances.get_mut(&key) else { return Written::NotFound };
        if instance.row.status.is_terminal() {
            return Written::Finished { status: instance.row.status };
        }
        let mut owner_lost = false;
        if instance.owner != Some(worker) {
            owner_lost = instance.owner.is_some_and(|owner| !self.drained.contains(&owner));
            instance.row.epoch += 1;
            instance.owner = Some(worker);
        }
        let inbox = instance.inbox.values().cloned().collect();
        Written::Claimed(Box::new(Claimed { instance: instance.row.clone(), inbox, owner_lost }))
    }

    pub(super) fn attempt(&mut self, key: InstanceKey, epoch: u64) -> Written {
        match self.instances.get_mut(&key) {
            Some(instance) if instance.row.epoch == epoch => {
                instance.row.crashes += 1;
                Written::Done
            }
            _ => Written::Refused,
        }
    }

    pub(super) fn claim_activities(&mut self, worker: WorkerId, first_claim: i64, limit: usize) -> Written {
        let again = self.instances.iter().flat_map(|(key, instance)| {
            let claims = first_claim..first_claim.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX));
            let held = instance
                .activities
                .iter()
                .filter(move |(_, activity)| activity.runner == Some(worker) && claims.contains(&activity.claim));
            held.map(move |(task, activity)| (*key, *task, activity.claim))
        });
        let mut taken: Vec<_> = again.collect();
        if taken.is_empty() {
            let orphans = self.orphans.iter().take(limit).zip(first_claim..);
            taken = orphans.map(|((key, task), claim)| (*key, *task, claim)).collect();
        }
        let mut rows = Vec::with_capacity(taken.len());
        for (key, call, claim) in taken {
            let Some(instance) = self.instances.get_mut(&key) else { continue };
            let Some(activity) = instance.activities.get_mut(&call) else { continue };
            if self.orphans.remove(&(key, call)) {
                let lost = activity.runner.is_some_and(|runner| !self.drained.contains(&runner));
                activity.deliveries += u32::from(lost);
            }
            activity.runner = Some(worker);
            activity.claim = claim;
            let taken = instance.activities.get(&call);
            rows.extend(taken.map(|activity| instance.activity_row(call, activity)));
        }
        Written::Activities(rows)
    }
}
