//! Reading.

use std::collections::HashSet;
use std::ops::Bound;

use super::claim::can_run;
use super::schema::{Instance, Tables};
use crate::backend::{
    ActivityRow, CountRow, HistoryRow, InstanceFilter, InstanceKey, InstanceRow, Owned, RunnableOrchestrators,
    TimerRow, WorkerId,
};
use crate::model::RuntimeStatus;

impl Tables {
    pub(super) fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: &RunnableOrchestrators,
    ) -> Vec<InstanceKey> {
        let waiting = self.waiting(worker, after, false).filter(|instance| can_run(runs, &instance.row));
        waiting.map(|instance| instance.row.key).take(limit).collect()
    }

    /// Instances that have something to do and that `worker` may take, in the order of their keys; `again` if those that it
    /// owns are among them.
    pub(super) fn waiting(&self, worker: WorkerId, after: InstanceKey, again: bool) -> impl Iterator<Item = &Instance> {
        self.with_something_to_do(after).filter(move |instance| {
            if instance.owner == Some(worker) { again } else { self.living(instance.owner).is_none() }
        })
    }

    /// Instances that have something to do, in the order of their keys.
    pub(super) fn with_something_to_do(&self, after: InstanceKey) -> impl Iterator<Item = &Instance> {
        let is_due = |timer: &&TimerRow| self.time.is_some_and(|now| timer.fire_at <= now);
        let due: HashSet<_> = self.timers.iter().take_while(is_due).map(|timer| timer.key).collect();
        let later = self.instances.range((Bound::Excluded(after), Bound::Unbounded)).map(|(_, instance)| instance);
        later.filter(move |instance| instance.has_something_to_read() || due.contains(&instance.row.key))
    }

    pub(super) fn timers_after(&self, worker: WorkerId, after: Option<TimerRow>, limit: usize) -> Vec<TimerRow> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let later = self.timers.range((start, Bound::Unbounded)).copied();
        later.filter(|timer| self.owner(timer.key).is_none_or(|owner| owner == worker)).take(limit).collect()
    }

    pub(super) fn history(&self, key: InstanceKey) -> Vec<HistoryRow> {
        self.instances.get(&key).map(|instance| instance.history.clone()).unwrap_or_default()
    }

    pub(super) fn owned(&self, worker: WorkerId, keys: &[InstanceKey]) -> Vec<Owned> {
        let found = keys.iter().filter_map(|key| self.instances.get(key));
        let own = found.filter(|found| found.owner == Some(worker) && !found.row.status.is_terminal());
        own.map(|instance| Owned {
            instance: instance.row.clone(),
            inbox: instance.inbox.values().cloned().collect(),
            history: Some(instance.history.clone()),
        })
        .collect()
    }

    pub(super) fn list(&self, filter: &InstanceFilter) -> Vec<InstanceRow> {
        let start = match (&filter.after_id, &filter.id_prefix) {
            (Some(after), Some(prefix)) if after < prefix => Bound::Included(prefix.as_str()),
            (Some(after), _) => Bound::Excluded(after.as_str()),
            (None, Some(prefix)) => Bound::Included(prefix.as_str()),
            (None, None) => Bound::Unbounded,
        };
        self.ids
            .range::<str, _>((start, Bound::Unbounded))
            .map(|(_, key)| &self.instances[key].row)
            .take_while(|row| filter.id_prefix.as_ref().is_none_or(|prefix| row.id.starts_with(prefix.as_str())))
            .filter(|row| passes(filter, row))
            .take(filter.limit)
            .cloned()
            .collect()
    }

    pub(super) fn count(&self, filter: &InstanceFilter) -> Vec<CountRow> {
        let all = InstanceFilter { limit: usize::MAX, after_id: None, ..filter.clone() };
        let mut counts: Vec<CountRow> = Vec::new();
        for row in self.list(&all) {
            let same = |count: &&mut CountRow| {
                count.name.eq_ignore_ascii_case(&row.name) && count.version == row.version && count.status == row.status
            };
            match counts.iter_mut().find(same) {
                Some(count) => count.count += 1,
                None => {
                    counts.push(CountRow { name: row.name, version: row.version, status: row.status, count: 1 });
                }
            }
        }
        counts
    }

    pub(super) fn activities(&self, key: InstanceKey) -> Vec<ActivityRow> {
        let Some(instance) = self.instances.get(&key) else { return Vec::new() };
        instance.activities.iter().map(|(call, activity)| instance.activity_row(*call, activity)).collect()
    }
}

impl Instance {
    /// Whether a turn can begin its execution, or take a message.
    pub(super) fn has_something_to_read(&self) -> bool {
        !self.row.status.is_terminal() && (is_fresh(&self.row) || !self.inbox.is_empty())
    }
}

/// Whether nothing but a turn can begin its execution. One that starts later has a timer for that.
fn is_fresh(row: &InstanceRow) -> bool {
    row.status == RuntimeStatus::ContinuedAsNew
        || row.status == RuntimeStatus::Pending && row.turn == 0 && row.start_at.is_none()
}

fn passes(filter: &InstanceFilter, row: &InstanceRow) -> bool {
    (filter.statuses.is_empty() || filter.statuses.contains(&row.status))
        && filter.name.as_ref().is_none_or(|name| row.name.eq_ignore_ascii_case(name))
        && filter.version.as_ref().is_none_or(|version| row.version == *version)
        && filter.tags.iter().all(|(tag, value)| row.tags.get(tag) == Some(value))
        && filter.parent.is_none_or(|parent| row.parent == Some(parent))
        && filter.created_from.is_none_or(|from| row.created >= from)
        && filter.created_to.is_none_or(|to| row.created <= to)
        && filter.updated_from.is_none_or(|from| row.updated >= from)
        && filter.updated_to.is_none_or(|to| row.updated <= to)
}
