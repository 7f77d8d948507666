//! The activity calls that this process holds.

use std::collections::{BTreeMap, VecDeque};

use tokio_util::sync::CancellationToken;

use super::source::{ActivityLease, ActivityWork};
use crate::activity::ActivityCallInfo;
use crate::backend::{CallId, HeldCall, InstanceKey};
use crate::history::TaskOptions;
use crate::model::Payload;
use crate::model::numbers::NumberMap;

/// Calls that wait or run here, with room for a bounded number of them.
///
/// Instances take turns: a fan-out of ten thousand calls delays a single call of another instance by one call.
#[derive(Debug)]
pub(super) struct Activities {
    calls: BTreeMap<(InstanceKey, CallId), Call>,
    waiting: NumberMap<InstanceKey, VecDeque<Waiting>>,
    rotation: VecDeque<InstanceKey>,
    held: NumberMap<InstanceKey, usize>,
    total: usize,
    queued: usize,
    capacity: usize,
    /// How many calls run at once.
    runners: usize,
    /// The store may hold calls that nobody runs.
    surplus: bool,
    /// A look into the store is on its way.
    refilling: bool,
}

/// A call that waits for a runner.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) id: CallId,
    pub(super) call: ActivityCallInfo,
    pub(super) input: Payload,
    pub(super) options: TaskOptions,
    pub(super) progress: Option<Payload>,
}

#[derive(Debug)]
struct Call {
    claim: i64,
    cancellation: CancellationToken,
}

impl Activities {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            calls: BTreeMap::new(),
            waiting: NumberMap::default(),
            rotation: VecDeque::new(),
            held: NumberMap::default(),
            total: 0,
            queued: 0,
            capacity: capacity.max(4),
            runners: 0,
            surplus: true,
            refilling: false,
        }
    }

    /// There is a worker that runs so many calls at once. The room is at least twice that, so that calls from the store can
    /// keep all runners busy and leave as much room to new ones. Where others can run calls it is at most four times that, so
    /// that one instance gets as much as can run at once, and the others get the rest of its calls.
    pub(super) fn open(&mut self, runners: usize, is_shared: bool) {
        self.runners = runners;
        let most = if is_shared { runners.saturating_mul(4).max(4) } else { usize::MAX };
        self.capacity = self.capacity.min(most).max(runners.saturating_mul(2));
    }

    /// Reserves room for one call. One instance gets at most a quarter of all room.
    pub(super) fn reserve(&mut self, key: InstanceKey) -> bool {
        let held = self.held.get(&key).copied().unwrap_or(0);
        if self.total >= self.capacity || held >= self.capacity / 4 {
            self.surplus = true;
            return false;
        }
        self.hold(key);
        true
    }

    fn hold(&mut self, key: InstanceKey) {
        *self.held.entry(key).or_default() += 1;
        self.total += 1;
    }

    /// Gives reserved room back.
    pub(super) fn release(&mut self, key: InstanceKey) {
        self.total -= 1;
        if let Some(held) = self.held.get_mut(&key) {
            *held -= 1;
            if *held == 0 {
                self.held.remove(&key);
            }
        }
    }

    /// The store holds calls that nobody runs.
    pub(super) fn note_surplus(&mut self) {
        self.surplus = true;
    }

    /// How many calls to take from the store, when it may hold some and there are runners for them.
    ///
    /// Only what can start at once is taken, so that a call counts as delivered when it starts.
    pub(super) fn begin_refill(&mut self) -> Option<usize> {
        if !self.surplus || self.refilling {
            return None;
        }
        let room = self.runners.saturating_sub(self.calls.len());
        // Not one by one, as long as others wait here.
        if room == 0 || (self.queued > 0 && room < self.runners / 4) {
            return None;
        }
        self.refilling = true;
        self.surplus = false;
        Some(room)
    }

    /// A look into the store is over; when it brought all that was asked for, there may be more.
    pub(super) fn end_refill(&mut self, more: bool) {
        self.refilling = false;
        self.surplus |= more;
    }

    /// Takes a call into the queue, for which room was reserved.
    pub(super) fn enqueue(&mut self, key: InstanceKey, call: Waiting, claim: i64) {
        let before = self.calls.insert((key, call.id), Call { claim, cancellation: CancellationToken::new() });
        if let Some(before) = before {
            // While this worker was silent, the call went to anybody: back to this very worker. One run of it is enough.
            before.cancellation.cancel();
            self.release(key);
        }
        self.queued += 1;
        let waiting = self.waiting.entry(key).or_default();
        if waiting.is_empty() {
            self.rotation.push_back(key);
        }
        waiting.push_back(call);
    }

    /// Takes a call that came from the store into the queue.
    pub(super) fn enqueue_claimed(&mut self, key: InstanceKey, call: Waiting, claim: i64) {
        self.hold(key);
        self.enqueue(key, call, claim);
    }

    /// The next call to run, one instance after the other.
    pub(super) fn next(&mut self) -> Option<ActivityWork> {
        loop {
            let key = self.rotation.pop_front()?;
            let Some(waiting) = self.waiting.get_mut(&key) else { continue };
            let Some(Waiting { id, call, input, options, progress }) = waiting.pop_front() else { continue };
            self.queued -= 1;
            if waiting.is_empty() {
                self.waiting.remove(&key);
            } else {
                self.rotation.push_back(key);
            }
            // Cancelled while it waited.
            let Some(known) = self.calls.get(&(key, id)) else { continue };
            let execution = call.execution.clone();
            let lease = ActivityLease { key, execution, call: id, claim: known.claim };
            return Some(ActivityWork {
                lease,
                call,
                input,
                options,
                progress,
                cancellation: known.cancellation.clone(),
            });
        }
    }

    /// True as long as the call is wanted and runs under this lease.
    pub(super) fn holds(&self, lease: &ActivityLease) -> bool {
        self.calls.get(&(lease.key, lease.call)).is_some_and(|call| call.claim == lease.claim)
    }

    /// Ends a call. False when it was cancelled, or ended before under another claim.
    pub(super) fn finish(&mut self, lease: &ActivityLease) -> bool {
        let id = (lease.key, lease.call);
        if !self.holds(lease) {
            return false;
        }
        self.calls.remove(&id);
        self.release(lease.key);
        true
    }

    /// Cancels one call.
    pub(super) fn cancel(&mut self, key: InstanceKey, id: CallId) {
        if let Some(call) = self.calls.remove(&(key, id)) {
            call.cancellation.cancel();
            self.release(key);
        }
    }

    /// Takes all calls out that nobody runs yet.
    pub(super) fn take_waiting(&mut self) -> Vec<HeldCall> {
        self.rotation.clear();
        self.queued = 0;
        let mut back = Vec::new();
        for (key, waiting) in std::mem::take(&mut self.waiting) {
            for call in waiting {
                // Cancelled while it waited, unless it is still there.
                if let Some(known) = self.calls.remove(&(key, call.id)) {
                    back.push(HeldCall { key, call: call.id, claim: known.claim });
                    self.release(key);
                }
            }
        }
        back
    }

    /// Cancels every call.
    pub(super) fn clear(&mut self) {
        let calls: Vec<_> = self.calls.keys().copied().collect();
        for (key, call) in calls {
            self.cancel(key, call);
        }
        self.surplus = true;
    }

    /// Cancels every call of an instance.
    pub(super) fn cancel_all(&mut self, key: InstanceKey) {
        let range = (key, CallId(i64::MIN))..=(key, CallId(i64::MAX));
        let calls: Vec<_> = self.calls.range(range).map(|((_, call), _)| *call).collect();
        for call in calls {
            self.cancel(key, call);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ExecutionId, FunctionName, InstanceId, TaskId};

    fn waiting(key: InstanceKey) -> Waiting {
        let (task_id, name) = (TaskId(0), FunctionName::new("work").unwrap());
        let (instance, execution) = (InstanceId::new("x").unwrap(), ExecutionId::from_stored("1"));
        let call = ActivityCallInfo {
            instance,
            execution,
            name,
            task_id,
            first_attempt: task_id,
            attempt: 1,
            delivery: 1,
            trace: None,
        };
        Waiting { id: CallId(key.0), call, input: Payload::null(), options: TaskOptions::default(), progress: None }
    }

    #[test]
    fn a_call_that_comes_back_here_takes_no_more_room() {
        let key = InstanceKey(1);
        let mut activities = Activities::new(4);
        activities.enqueue_claimed(key, waiting(key), 1);
        let first = activities.next().unwrap();
        activities.enqueue_claimed(key, waiting(key), 2);
        assert!(first.cancellation.is_cancelled());
        let second = activities.next().unwrap();
        assert_eq!((activities.finish(&first.lease), activities.finish(&second.lease)), (false, true));
        assert!(activities.total == 0 && activities.held.is_empty());
    }
}
