//! Removing instances.

use super::schema::Tables;
use crate::backend::{Gone, InstanceKey, TimerRow, Written};
use crate::model::{RuntimeStatus, Timestamp};

impl Tables {
    pub(super) fn purge(&mut self, keys: &[InstanceKey], force: bool) -> Written {
        let mut gone = Vec::new();
        for key in keys {
            if self.instances.get(key).is_some_and(|instance| force || instance.row.status.is_terminal()) {
                gone.push(Gone { key: *key, owner: self.owner(*key) });
                self.remove(*key);
            }
        }
        Written::Purged(gone)
    }

    pub(super) fn expire(&mut self, status: RuntimeStatus, through: Timestamp, limit: usize) -> Written {
        let rows = self.instances.values().map(|instance| &instance.row);
        let ended = rows.filter(|row| status.is_terminal() && row.status == status).map(|row| (row.updated, row.key));
        let mut ended: Vec<_> = ended.collect();
        ended.sort_unstable();
        let due = ended.iter().take(limit).take_while(|(updated, _)| *updated <= through).count();
        let gone = ended[..due].iter().map(|(_, key)| Gone { key: *key, owner: self.owner(*key) }).collect::<Vec<_>>();
        gone.iter().for_each(|gone| self.remove(gone.key));
        Written::Expired { gone, oldest: ended.get(due).map(|(updated, _)| *updated) }
    }

    /// Removes an instance and every row of it.
    pub(super) fn remove(&mut self, key: InstanceKey) {
        let Some(instance) = self.instances.remove(&key) else { return };
        self.ids.remove(&instance.row.id);
        if let Some(parent) = instance.row.parent {
            self.children.remove(&(parent, key));
        }
        for (call, fire_at) in instance.timers {
            self.timers.remove(&TimerRow { fire_at, key, call });
        }
        for call in instance.activities.keys() {
            self.orphans.remove(&(key, *call));
        }
    }
}
