//! Committing a turn.

use super::schema::{Activity, Instance, Tables};
use crate::backend::{HistoryRow, TimerRow, TurnCommit, Written};

impl Tables {
    pub(super) fn turn(&mut self, turn: TurnCommit) -> Written {
        let Some(instance) = self.instances.get_mut(&turn.key) else { return Written::Refused };
        if let Err(refused) = instance.fence(&turn) {
            return refused;
        }
        instance.record(&turn);
        instance.inbox = instance.inbox.split_off(&(turn.inbox_through + 1));
        self.end_tasks(&turn);
        self.begin_tasks(turn);
        Written::Done
    }

    fn end_tasks(&mut self, turn: &TurnCommit) {
        let Self { instances, timers, orphans, .. } = self;
        let key = turn.key;
        let Some(instance) = instances.get_mut(&key) else { return };
        for call in &turn.timers_gone {
            if let Some(fire_at) = instance.timers.remove(call) {
                timers.remove(&TimerRow { fire_at, key, call: *call });
            }
        }
        for task in &turn.activities_gone {
            instance.activities.remove(task);
            orphans.remove(&(key, *task));
        }
        if turn.drop_activities {
            for task in std::mem::take(&mut instance.activities).into_keys() {
                orphans.remove(&(key, task));
            }
        }
        if turn.status.is_terminal() {
            instance.inbox.clear();
            for (call, fire_at) in instance.timers.drain() {
                timers.remove(&TimerRow { fire_at, key, call });
            }
        }
    }

    fn begin_tasks(&mut self, turn: TurnCommit) {
        let Self { instances, timers, orphans, .. } = self;
        let key = turn.key;
        let Some(instance) = instances.get_mut(&key) else { return };
        for new in turn.new_activities {
            if new.runner.is_none() {
                orphans.insert((key, new.call));
            }
            let activity = Activity {
                name: new.name,
                input: new.input,
                options: new.options,
                progress: None,
                runner: new.runner,
                claim: new.claim,
                deliveries: 1,
            };
            instance.activities.insert(new.call, activity);
        }
        for new in turn.new_timers {
            instance.timers.insert(new.call, new.fire_at);
            timers.insert(TimerRow { fire_at: new.fire_at, key, call: new.call });
        }
    }
}

impl Instance {
    fn fence(&self, turn: &TurnCommit) -> Result<(), Written> {
        let row = &self.row;
        if row.execution != turn.execution || row.epoch != turn.epoch {
            return Err(Written::Refused);
        }
        if row.turn == turn.turn {
            return Err(Written::Done);
        }
        if row.turn + 1 != turn.turn || row.status.is_terminal() { Err(Written::Refused) } else { Ok(()) }
    }

    fn record(&mut self, turn: &TurnCommit) {
        let row = &mut self.row;
        row.turn = turn.turn;
        row.turn_time = turn.turn_time;
        row.updated = turn.turn_time;
        row.status = turn.status;
        row.crashes = 0;
        row.stalled = None;
        row.output.clone_from(&turn.output);
        row.reason.clone_from(&turn.reason);
        if turn.custom_status.is_some() {
            row.custom_status.clone_from(&turn.custom_status);
        }
        for (seq, new) in (turn.first_seq..).zip(&turn.history) {
            self.history.push(HistoryRow {
                seq,
                turn: turn.turn,
                turn_time: turn.turn_time,
                time: new.time,
                event: new.event.clone(),
            });
        }
        row.history_len = self.history.len() as u64;
    }
}
