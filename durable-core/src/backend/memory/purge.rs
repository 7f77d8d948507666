//! Removing instances.

use super::schema::Tables;
use crate::backend::{InstanceKey, TimerRow, Written};

impl Tables {
    pub(super) fn purge(&mut self, mut keys: Vec<InstanceKey>, force: bool) -> Written {
        keys.retain(|key| {
            let fits = self.instances.get(key).is_some_and(|instance| force || instance.row.status.is_terminal());
            if fits {
                self.remove(*key);
            }
            fits
        });
        Written::Purged(keys)
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
