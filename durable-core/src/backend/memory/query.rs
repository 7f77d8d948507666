//! Reading.

use std::ops::Bound;

use super::schema::Tables;
use crate::backend::{ActivityRow, CountRow, HistoryRow, InstanceFilter, InstanceKey, InstanceRow, TimerRow, WorkerId};
use crate::model::RuntimeStatus;

impl Tables {
    pub(super) fn ready(&self, worker: WorkerId, after: InstanceKey, limit: usize) -> Vec<InstanceKey> {
        self.instances
            .range((Bound::Excluded(after), Bound::Unbounded))
            .filter(|(_, instance)| instance.owner != Some(worker) && !instance.row.status.is_terminal())
            .filter(|(_, instance)| is_fresh(&instance.row) || !instance.inbox.is_empty())
            .map(|(key, _)| *key)
            .take(limit)
            .collect()
    }

    pub(super) fn timers_after(&self, after: Option<TimerRow>, limit: usize) -> Vec<TimerRow> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.timers.range((start, Bound::Unbounded)).copied().take(limit).collect()
    }

    pub(super) fn history(&self, key: InstanceKey) -> Vec<HistoryRow> {
        self.instances.get(&key).map(|instance| instance.history.clone()).unwrap_or_default()
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
