//! Taking instances and activities over.

use super::schema::{Instance, Tables};
use crate::backend::{
    ActivityRow, CallId, Claimed, HeldCall, InstanceKey, InstanceRow, NewTimer, Release, RunnableActivities,
    RunnableOrchestrators, WorkerId, Written,
};

impl Tables {
    pub(super) fn claim(&mut self, key: InstanceKey, worker: WorkerId, runs: &RunnableOrchestrators) -> Written {
        let Some(Instance { row, owner, .. }) = self.instances.get(&key) else { return Written::NotFound };
        if row.status.is_terminal() {
            return Written::Finished { status: row.status };
        }
        if *owner != Some(worker) {
            if let Some(worker) = self.living(*owner) {
                return Written::Owned { worker };
            }
            if !can_run(runs, row) {
                return Written::Unfit;
            }
        }
        self.take(key, worker).map_or(Written::NotFound, |claimed| Written::Claimed(Box::new(claimed)))
    }

    pub(super) fn claim_ready(
        &mut self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: &RunnableOrchestrators,
        again: bool,
    ) -> Written {
        let waiting = self.waiting(worker, after, again).filter(|instance| can_run(runs, &instance.row));
        let keys: Vec<_> = waiting.map(|instance| instance.row.key).take(limit).collect();
        Written::Taken(keys.into_iter().filter_map(|key| self.take(key, worker)).collect())
    }

    /// Makes a worker the owner of an instance.
    fn take(&mut self, key: InstanceKey, worker: WorkerId) -> Option<Claimed> {
        let before = self.instances.get(&key)?.owner;
        let owner_lost = before != Some(worker) && self.is_lost(before);
        let is_shared = self.time.is_some();
        let instance = self.instances.get_mut(&key)?;
        if before != Some(worker) {
            instance.row.epoch += 1;
            instance.owner = Some(worker);
        }
        let timers = instance.timers.iter().map(|(call, fire_at)| NewTimer { call: *call, fire_at: *fire_at });
        Some(Claimed {
            instance: instance.row.clone(),
            inbox: instance.inbox.values().cloned().collect(),
            timers: is_shared.then(|| timers.collect()),
            owner_lost,
        })
    }

    pub(super) fn release(&mut self, releases: &[Release]) -> Written {
        let mut kept = Vec::new();
        for release in releases {
            match self.instances.get_mut(&release.key) {
                Some(Instance { row, owner, watched, .. })
                    if row.epoch == release.epoch && release.inbox_seq.is_none_or(|seq| seq == row.inbox_seq) =>
                {
                    *owner = None;
                    *watched |= release.watched;
                }
                Some(_) => kept.push(release.key),
                None => {}
            }
        }
        Written::Kept(kept)
    }

    pub(super) fn hand_back(&mut self, calls: &[HeldCall]) -> Written {
        for HeldCall { key, call, claim } in calls {
            let activity = self.instances.get_mut(key).and_then(|instance| instance.activities.get_mut(call));
            if let Some(activity) = activity.filter(|activity| activity.claim == *claim) {
                activity.runner = None;
                self.orphans.insert((*key, *call));
            }
        }
        Written::Done
    }

    pub(super) fn watch(&mut self, id: &str) -> Written {
        let Some(instance) = self.ids.get(id).and_then(|key| self.instances.get_mut(key)) else {
            return Written::NotFound;
        };
        instance.watched = true;
        Written::Done
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

    /// Calls without a living runner that somebody can run.
    pub(super) fn waiting_calls(&self, runs: &RunnableActivities) -> impl Iterator<Item = (InstanceKey, CallId)> {
        self.orphans.iter().filter(move |(key, call)| {
            let Some(names) = runs else { return true };
            let activity = self.instances.get(key).and_then(|instance| instance.activities.get(call));
            activity.is_some_and(|activity| names.iter().any(|name| name.eq_ignore_ascii_case(&activity.name)))
        })
    }

    pub(super) fn claim_activities(
        &mut self,
        worker: WorkerId,
        first_claim: i64,
        limit: usize,
        runs: &RunnableActivities,
    ) -> Written {
        self.sweep();
        let claims = first_claim..first_claim.saturating_add(i64::try_from(limit).unwrap_or(i64::MAX));
        let again = self.instances.iter().flat_map(|(key, instance)| {
            let held = instance
                .activities
                .iter()
                .filter(|(_, activity)| activity.runner == Some(worker) && claims.contains(&activity.claim));
            held.map(|(task, _)| (*key, *task))
        });
        let mut taken: Vec<_> = again.collect();
        for call in &taken {
            self.orphans.remove(call);
        }
        if taken.is_empty() {
            taken = self.waiting_calls(runs).take(limit).collect();
            for ((key, call), claim) in taken.iter().zip(first_claim..) {
                self.give(*key, *call, worker, claim);
            }
        }
        let mut rows: Vec<_> = taken.iter().filter_map(|(key, call)| self.activity(*key, *call)).collect();
        rows.sort_by_key(|row| row.claim);
        Written::Activities(rows)
    }

    /// Gives a call that waits to a runner.
    fn give(&mut self, key: InstanceKey, call: CallId, worker: WorkerId, claim: i64) {
        let runner = self.instances.get(&key).and_then(|instance| instance.activities.get(&call)?.runner);
        let lost = self.is_lost(runner);
        self.orphans.remove(&(key, call));
        let activity = self.instances.get_mut(&key).and_then(|instance| instance.activities.get_mut(&call));
        if let Some(activity) = activity {
            activity.deliveries += u32::from(lost);
            activity.runner = Some(worker);
            activity.claim = claim;
        }
    }

    fn activity(&self, key: InstanceKey, call: CallId) -> Option<ActivityRow> {
        let instance = self.instances.get(&key)?;
        instance.activities.get(&call).map(|activity| instance.activity_row(call, activity))
    }
}

pub(super) fn can_run(runs: &RunnableOrchestrators, row: &InstanceRow) -> bool {
    runs.as_ref().is_none_or(|runs| runs.iter().any(|known| known.fits(&row.name, row.version.as_deref())))
}
