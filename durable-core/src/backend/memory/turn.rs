//! Committing a turn.

use super::schema::{Activity, Tables};
use crate::backend::{HistoryRow, TimerRow, TurnCommit, Written};

impl Tables {
    pub(super) fn turn(&mut self, turn: TurnCommit) -> Written {
        let Self { instances, timers, orphans, .. } = self;
        let key = turn.key;
        let Some(instance) = instances.get_mut(&key) else { return Written::Refused };
        let row = &mut instance.row;
        if row.execution != turn.execution || row.epoch != turn.epoch {
            return Written::Refused;
        }
        if row.turn == turn.turn {
            return Written::Done;
        }
        if row.turn + 1 != turn.turn || row.status.is_terminal() {
            return Written::Refused;
        }
        row.turn = turn.turn;
        row.turn_time = turn.turn_time;
        row.updated = turn.turn_time;
        row.status = turn.status;
        row.crashes = 0;
        row.stalled = None;
        row.output = turn.output;
        row.reason = turn.reason;
        if turn.custom_status.is_some() {
            row.custom_status = turn.custom_status;
        }
        for (seq, new) in (turn.first_seq..).zip(turn.history) {
            let (turn_time, turn) = (turn.turn_time, turn.turn);
            instance.history.push(HistoryRow { seq, turn, turn_time, time: new.time, event: new.event });
        }
        row.history_len = instance.history.len() as u64;
        instance.inbox = instance.inbox.split_off(&(turn.inbox_through + 1));
        for task_id in turn.timers_gone {
            if let Some(fire_at) = instance.timers.remove(&task_id) {
                timers.remove(&TimerRow { fire_at, key, task_id });
            }
        }
        for task in turn.activities_gone {
            instance.activities.remove(&task);
            orphans.remove(&(key, task));
        }
        if turn.drop_activities {
            for (task, _) in instance.activities.drain() {
                orphans.remove(&(key, task));
            }
        }
        if turn.status.is_terminal() {
            instance.inbox.clear();
            for (task_id, fire_at) in instance.timers.drain() {
                timers.remove(&TimerRow { fire_at, key, task_id });
            }
        }
        for new in turn.new_activities {
            if new.runner.is_none() {
                orphans.insert((key, new.task_id));
            }
            let activity =
                Activity { name: new.name, input: new.input, runner: new.runner, claim: new.claim, deliveries: 1 };
            instance.activities.insert(new.task_id, activity);
        }
        for new in turn.new_timers {
            instance.timers.insert(new.task_id, new.fire_at);
            timers.insert(TimerRow { fire_at: new.fire_at, key, task_id: new.task_id });
        }
        Written::Done
    }
}
