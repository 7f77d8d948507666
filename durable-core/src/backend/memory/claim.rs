//! Taking instances and activities over.

use super::schema::Tables;
use crate::backend::{ActivityRow, Claimed, InstanceKey, WorkerId, Written};

impl Tables {
    pub(super) fn claim(&mut self, key: InstanceKey, worker: WorkerId) -> Written {
        let Some(instance) = self.instances.get_mut(&key) else { return Written::NotFound };
        if instance.row.status.is_terminal() {
            return Written::Finished { status: instance.row.status };
        }
        if instance.owner != Some(worker) {
            instance.row.epoch += 1;
            instance.row.crashes += u32::from(instance.owner.is_some());
            instance.owner = Some(worker);
        }
        let inbox = instance.inbox.values().cloned().collect();
        Written::Claimed(Box::new(Claimed { instance: instance.row.clone(), inbox }))
    }

    pub(super) fn claim_activities(&mut self, worker: WorkerId, first_claim: i64, limit: usize) -> Written {
        let taken: Vec<_> = self.orphans.iter().copied().take(limit).collect();
        let mut rows = Vec::with_capacity(taken.len());
        for (claim, (key, task_id)) in (first_claim..).zip(taken) {
            self.orphans.remove(&(key, task_id));
            let Some(instance) = self.instances.get_mut(&key) else { continue };
            let Some(activity) = instance.activities.get_mut(&task_id) else { continue };
            activity.deliveries += u32::from(activity.runner.is_some());
            activity.runner = Some(worker);
            activity.claim = claim;
            rows.push(ActivityRow {
                key,
                instance: instance.row.id.clone(),
                execution: instance.row.execution.clone(),
                task_id,
                name: activity.name.clone(),
                input: activity.input.clone(),
                claim,
                deliveries: activity.deliveries,
            });
        }
        Written::Activities(rows)
    }
}
