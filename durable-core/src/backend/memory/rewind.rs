//! Taking back the ends of instances.

use super::schema::{Activity, Tables};
use crate::backend::{RewindCommit, Written};
use crate::model::RuntimeStatus;

impl Tables {
    pub(super) fn rewind(&mut self, rewinds: Vec<RewindCommit>) -> Written {
        if rewinds.iter().all(|rewind| self.stands_at(rewind, rewind.epoch, |status| status.is_terminal())) {
            for rewind in rewinds {
                self.rewind_one(rewind);
            }
            return Written::Done;
        }
        let done = |rewind: &RewindCommit| self.stands_at(rewind, rewind.epoch + 1, |status| status == rewind.status());
        if rewinds.iter().all(done) { Written::Done } else { Written::Refused }
    }

    fn stands_at(&self, rewind: &RewindCommit, epoch: u64, status: impl Fn(RuntimeStatus) -> bool) -> bool {
        self.instances.get(&rewind.key).is_some_and(|instance| {
            let row = &instance.row;
            row.execution == rewind.execution && row.epoch == epoch && row.turn == rewind.turn && status(row.status)
        })
    }

    fn rewind_one(&mut self, rewind: RewindCommit) {
        let key = rewind.key;
        let Some(instance) = self.instances.get_mut(&key) else { return };
        let row = &mut instance.row;
        row.status = rewind.status();
        (row.output, row.reason, row.stalled) = (None, None, None);
        row.epoch += 1;
        row.crashes = 0;
        row.updated = rewind.now;
        row.history_len = rewind.history.len() as u64;
        instance.owner = None;
        instance.history = rewind.history;
        instance.inbox.clear();
        for new in rewind.activities {
            let call = new.call;
            instance.activities.insert(call, Activity::new(new, None));
            self.orphans.insert((key, call));
        }
        for new in rewind.timers {
            self.set_timer(key, new);
        }
        for event in rewind.inbox {
            self.deliver(key, event);
        }
        for child in rewind.children {
            self.create_child(key, child);
        }
    }
}
