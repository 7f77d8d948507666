//! Who lives.

use std::collections::HashSet;
use std::ops::Bound;
use std::time::Duration;

use super::schema::{Instance, Tables, Worker};
use crate::backend::{Heartbeat, InstanceKey, Pulse, Unread, WorkerId};
use crate::model::Timestamp;

impl Worker {
    /// Whether its lease lasts beyond `now`.
    fn lives(&self, now: Option<Timestamp>) -> bool {
        !self.drained && self.lease_until.is_some_and(|until| now.is_some_and(|now| until > now))
    }
}

impl Tables {
    pub(super) fn attach(&mut self, lease: Duration) -> WorkerId {
        let lease_until = self.time.map(|now| now.saturating_add(lease));
        if lease_until.is_none() {
            // One process holds this store, so whoever was attached before is gone.
            let of = |(key, instance): (&InstanceKey, &Instance)| {
                instance.activities.keys().map(|call| (*key, *call)).collect::<Vec<_>>()
            };
            self.orphans = self.instances.iter().flat_map(of).collect();
        }
        self.last_worker += 1;
        let worker = WorkerId(self.last_worker);
        self.workers.insert(worker, Worker { lease_until, drained: false, is_swept: false });
        worker
    }

    pub(super) fn detach(&mut self, worker: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.drained = true;
        }
    }

    /// Whether what this worker owns and runs is its own. In a store of one process nobody lives but the one who asks.
    fn lives(&self, worker: WorkerId) -> bool {
        self.workers.get(&worker).is_some_and(|worker| worker.lives(self.time))
    }

    /// The worker, if it lives.
    pub(super) fn living(&self, worker: Option<WorkerId>) -> Option<WorkerId> {
        worker.filter(|worker| self.lives(*worker))
    }

    /// Whether what `owner` had is taken from it before it ended in order.
    pub(super) fn is_lost(&self, owner: Option<WorkerId>) -> bool {
        owner.is_some_and(|owner| !self.workers.get(&owner).is_some_and(|worker| worker.drained))
    }

    /// Puts the calls of those who died among the orphans.
    pub(super) fn sweep(&mut self) {
        let Some(now) = self.time else { return };
        let mut dead = HashSet::new();
        for (id, worker) in &mut self.workers {
            if !worker.is_swept && !worker.lives(Some(now)) {
                worker.is_swept = true;
                dead.insert(*id);
            }
        }
        if dead.is_empty() {
            return;
        }
        for (key, instance) in &self.instances {
            let of_dead = instance
                .activities
                .iter()
                .filter(|(_, activity)| activity.runner.is_some_and(|runner| dead.contains(&runner)));
            self.orphans.extend(of_dead.map(|(call, _)| (*key, *call)));
        }
    }

    /// Whoever comes back from the dead runs what nobody has taken.
    fn revive(&mut self, worker: WorkerId) {
        let instances = &self.instances;
        self.orphans.retain(|key, call| {
            let activity = instances.get(&key).and_then(|instance| instance.activities.get(&call));
            activity.is_some_and(|activity| activity.runner != Some(worker))
        });
    }

    pub(super) fn heartbeat(&mut self, heartbeat: &Heartbeat) -> Option<Pulse> {
        let (id, now) = (heartbeat.worker, self.time?);
        let worker = self.workers.get_mut(&id).filter(|worker| !worker.drained)?;
        worker.lease_until = Some(now.saturating_add(heartbeat.lease));
        if std::mem::take(&mut worker.is_swept) {
            self.revive(id);
        }
        self.sweep();
        let own = self.with_something_to_do(heartbeat.after).filter(|instance| instance.owner == Some(id));
        let is_over = |id: &&String| self.by_id(id).is_none_or(|instance| instance.row.status.is_terminal());
        Some(Pulse {
            now,
            instances: !self.ready(id, InstanceKey(i64::MIN), 1, &heartbeat.orchestrators).is_empty(),
            calls: self.waiting_calls(&heartbeat.activities).next().is_some(),
            own: own.map(|instance| (instance.row.key, instance.row.inbox_seq)).take(heartbeat.limit).collect(),
            ended: heartbeat.watching.iter().filter(is_over).cloned().collect(),
        })
    }

    pub(super) fn unread(&self, mut after: Vec<(InstanceKey, u64)>) -> Vec<Unread> {
        after.sort_unstable();
        let rows = after.into_iter().filter_map(|(key, seq)| Some((key, seq, self.instances.get(&key)?)));
        let rows = rows.flat_map(|(key, seq, instance)| {
            let newer = instance.inbox.range((Bound::Excluded(seq), Bound::Unbounded));
            newer.map(move |(_, row)| Unread { key, row: row.clone() })
        });
        rows.collect()
    }
}
