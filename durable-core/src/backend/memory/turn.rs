//! Committing a turn.

use super::schema::{Activity, Instance, Tables};
use crate::backend::{HeldCall, HistoryRow, TimerRow, TurnCommit, WorkerId, Written};

/// What a turn finds.
enum Fence {
    Fits,
    Applied,
    Refused,
}

impl Tables {
    pub(super) fn turn(&mut self, turn: &TurnCommit) -> Written {
        let Some(instance) = self.instances.get_mut(&turn.key) else { return Written::Refused };
        match instance.fence(turn) {
            // Where there is only one process, nobody else can have run its calls.
            Fence::Fits if self.time.is_none() || instance.has_claims(turn) => {}
            Fence::Applied => return self.reached_before(turn),
            Fence::Fits | Fence::Refused => return Written::Refused,
        }
        instance.record(turn);
        if !instance.inbox.is_empty() {
            instance.inbox = instance.inbox.split_off(&(turn.inbox_through + 1));
        }
        self.end_tasks(turn);
        if let (Some(next), Some(instance)) = (&turn.next, self.instances.get_mut(&turn.key)) {
            instance.continue_as(next);
        }
        self.begin_tasks(turn);
        self.reach(turn.key, &turn.children, &turn.messages)
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
        for call in &turn.activities_gone {
            instance.activities.remove(call);
            orphans.remove(&(key, *call));
        }
        if turn.drop_activities {
            for call in std::mem::take(&mut instance.activities).into_keys() {
                orphans.remove(&(key, call));
            }
        }
        if turn.status.is_terminal() {
            instance.inbox.clear();
        }
        if turn.status.is_terminal() || turn.next.is_some() {
            for (call, fire_at) in instance.timers.drain() {
                timers.remove(&TimerRow { fire_at, key, call });
            }
        }
    }

    fn begin_tasks(&mut self, turn: &TurnCommit) {
        let Self { instances, orphans, workers, .. } = self;
        let key = turn.key;
        let Some(instance) = instances.get_mut(&key) else { return };
        // One that was found dead may still commit, as long as nobody has taken the instance.
        let is_swept = |runner: WorkerId| workers.get(&runner).is_some_and(|worker| worker.is_swept);
        for new in &turn.new_activities {
            if new.runner.is_none_or(is_swept) {
                orphans.insert((key, new.call));
            }
            let (call, runner) = (new.call, new.runner);
            instance.activities.insert(call, Activity::new(new.clone(), runner));
        }
        for new in &turn.new_timers {
            self.set_timer(key, *new);
        }
    }
}

impl Instance {
    fn fence(&self, turn: &TurnCommit) -> Fence {
        let row = &self.row;
        if row.epoch != turn.epoch {
            return Fence::Refused;
        }
        let after = turn.next.as_ref().map_or(&turn.execution, |next| &next.execution);
        if row.turn == turn.turn && row.execution == *after {
            return Fence::Applied;
        }
        let fits = row.turn + 1 == turn.turn && row.execution == turn.execution && !row.status.is_terminal();
        if fits { Fence::Fits } else { Fence::Refused }
    }

    fn has_claims(&self, turn: &TurnCommit) -> bool {
        let holds = |held: &HeldCall| self.activities.get(&held.call).is_some_and(|call| call.claim == held.claim);
        turn.results.iter().all(holds)
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
