//! What follows from a commit: calls to run, timers to set, messages to deliver, clients to wake.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use super::activities::Waiting;
use super::apply::Standing;
use super::entry::Known;
use super::group::Patience;
use super::instances::{AfterTurn, Delivery};
use super::local::LocalEngine;
use super::message::{Message, Origin};
use super::source::{ActivityLease, SourceError, TurnLease, TurnWork};
use super::stored::{self, CallOptions, read_options};
use crate::activity::ActivityCallInfo;
use crate::backend::{
    ActivityRow, Arrived, BackendError, CallId, Committed, Completes, CreateInstance, Gone, HeldCall, InstanceKey,
    MessageTarget, NewMessage, Notice, Started, TimerRow, TurnCommit, WorkerId, Write, Written,
};
use crate::history::{EventKind, ExecutionHeader, TaskOptions, decode_event, encode_event};
use crate::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, TaskId};
use crate::replay::LeafResult;

impl LocalEngine {
    /// Everything that waited for a turn to be durable.
    pub(super) fn finish_turn(&self, write: &Write, written: Result<Written, BackendError>) -> Result<(), SourceError> {
        let Write::Turn(commit) = write else { return Err(SourceError::LeaseLost) };
        match written {
            Ok(Written::Done) => {
                self.turn_is_durable(commit);
                Ok(())
            }
            Ok(Written::Committed(reached)) => {
                let header = self.inner.instances.lock().header_of(commit.key);
                self.turn_is_durable(commit);
                if let Some(header) = &header {
                    self.tell_watchers(&reached, &header.instance);
                }
                self.reach(commit, *reached, header.as_ref());
                Ok(())
            }
            Ok(_) => {
                let (key, turn) = (commit.key.0, commit.turn);
                if self.inner.sharing.is_some() {
                    // Ordinary after a pause, and told once where the pause is noticed.
                    tracing::debug!(key, turn, "the store refused a turn: another worker has had the instance");
                    self.give_up(commit);
                    self.load(commit.key, None);
                } else {
                    tracing::error!(key, turn, "the store refused a turn: the instance is not ours any more");
                    self.give_up(commit);
                }
                Err(SourceError::LeaseLost)
            }
            Err(error) => {
                self.give_up(commit);
                Err(error.into())
            }
        }
    }

    /// Forgets an instance whose turn did not happen. Whoever owns it goes on from its rows.
    fn give_up(&self, commit: &TurnCommit) {
        let mut instances = self.inner.instances.lock();
        let id = instances.remove_at(commit.key, commit.epoch);
        instances.not_heard(commit.results.iter().copied());
        drop(instances);
        self.disclaim_calls(commit);
        // Where others may have taken the instance, calls of it that run here go on: nobody else runs them.
        if self.inner.sharing.is_none() {
            self.inner.activities.lock().cancel_all(commit.key);
        } else if let Some(id) = id {
            self.inner.waiters.changed(&id);
        }
        self.refill_activities();
        self.end_trial(commit.key);
    }

    /// Gives the room back that was reserved for calls that do not come here. The store may hold them as ours nevertheless: the
    /// turn may have happened before it was refused, without an answer.
    fn disclaim_calls(&self, commit: &TurnCommit) {
        let key = commit.key;
        let own = || commit.new_activities.iter().filter(|call| call.runner.is_some());
        let mut activities = self.inner.activities.lock();
        own().for_each(|_| activities.release(key));
        drop(activities);
        let calls = own().map(|new| HeldCall { key, call: new.call, claim: new.claim });
        self.inner.instances.lock().not_heard(calls);
    }

    fn turn_is_durable(&self, commit: &TurnCommit) {
        let inner = &self.inner;
        if commit.cancels_calls() {
            self.cancel_calls(commit);
        }
        let mut instances = inner.instances.lock();
        let id = instances.id_of(commit.key);
        let mut after = instances.committed(commit);
        if let AfterTurn::Continues(left) = &mut after
            && inner.sharing.is_some()
            && !instances.header_of(commit.key).is_none_or(|next| self.runs(&next))
        {
            instances.pass_on(commit.key);
            after = AfterTurn::PassedOn(std::mem::take(left));
        }
        let evicted = instances.take_evicted();
        drop(instances);
        self.release(evicted);
        inner.made_room();
        self.end_trial(commit.key);
        self.set_timers(commit);
        inner.ends.happened(commit.status);
        let Some(id) = id else { return self.disclaim_calls(commit) };
        self.run_activities(commit, &id);
        if matches!(after, AfterTurn::Ready | AfterTurn::Continues(_)) {
            inner.turns_ready.add_permits(1);
        }
        match after {
            AfterTurn::Resting | AfterTurn::Ready => {}
            AfterTurn::Continues(left)
            | AfterTurn::PassedOn(left)
            | AfterTurn::Finished(left)
            | AfterTurn::Parked(left) => {
                let execution = ExecutionId::from_stored(&commit.execution);
                for message in left {
                    self.store_message(commit.key, &execution, message);
                }
            }
        }
        if commit.turn == 1 || commit.status.is_terminal() {
            inner.waiters.changed(&id);
        }
        if inner.sharing.is_some() && inner.is_closing() {
            self.leave();
        }
    }

    /// Takes in what a turn did beyond its own instance.
    pub(super) fn reach(&self, commit: &TurnCommit, reached: Committed, header: Option<&Arc<ExecutionHeader>>) {
        for (child, started) in commit.children.iter().zip(reached.started) {
            if let Some(started) = started {
                self.child_is_durable(&child.create, started);
            }
        }
        for Arrived { key, seq, event, owner } in reached.arrived {
            let Some(header) = header else {
                self.is_of_another(key, owner);
                continue;
            };
            match decode_event(event.event, header) {
                Ok(kind) => {
                    let message = Message { time: event.time, event: kind, origin: Origin::Inbox(seq) };
                    self.message_is_durable(key, owner, message);
                }
                Err(error) => tracing::error!(%error, "a message between instances cannot be read"),
            }
        }
        reached.look.into_iter().for_each(|key| self.look_into(key));
    }

    /// An instance was created. It runs here when it belongs to us and starts at once.
    pub(super) fn child_is_durable(&self, create: &CreateInstance, started: Started) {
        let inner = &self.inner;
        if let Some(old) = started.replaced {
            self.is_gone(old);
        }
        if let Some(fire_at) = create.start_at {
            inner.timers.lock().add(TimerRow { fire_at, key: started.key, call: CallId::START });
            inner.timers_changed.notify_one();
            return;
        }
        let Ok(header) = stored::created_header(create) else { return };
        if started.owner != Some(inner.worker()) {
            self.tell(Notice::Work { instances: true, calls: false });
            self.look_for_ready();
            return;
        }
        let standing = Standing::new(started.key, started.epoch, create.parent_call.and(create.parent));
        inner.instances.lock().created(Known { header, standing }, create.now);
        inner.turns_ready.add_permits(1);
    }

    /// An instance was removed.
    pub(super) fn is_gone(&self, gone: Gone) {
        self.forget(gone.key);
        if let Some(owner) = gone.owner.filter(|owner| *owner != self.inner.worker()) {
            self.tell(Notice::Gone(owner, vec![gone.key]));
        }
    }

    /// Instances without an owner may wait in the store.
    pub(super) fn look_for_ready(&self) {
        self.inner.backlog.store(true, std::sync::atomic::Ordering::SeqCst);
        self.inner.rested.notify_one();
    }

    fn set_timers(&self, commit: &TurnCommit) {
        let terminal = commit.status.is_terminal() || commit.next.is_some();
        if commit.new_timers.is_empty() && commit.timers_gone.is_empty() && !terminal {
            return;
        }
        let mut timers = self.inner.timers.lock();
        let first = timers.next_due();
        for task in &commit.timers_gone {
            timers.remove(commit.key, *task);
        }
        if terminal {
            timers.remove_all(commit.key);
        } else {
            for new in &commit.new_timers {
                timers.add(TimerRow { fire_at: new.fire_at, key: commit.key, call: new.call });
            }
        }
        let changed = timers.next_due() != first;
        drop(timers);
        if changed {
            self.inner.timers_changed.notify_one();
        }
    }

    /// False for an execution that only others can run.
    fn runs(&self, header: &ExecutionHeader) -> bool {
        self.inner.catalogue.lock().runs(&header.name, header.version.as_ref())
    }

    fn cancel_calls(&self, commit: &TurnCommit) {
        let mut activities = self.inner.activities.lock();
        for task in &commit.activities_gone {
            activities.cancel(commit.key, *task);
        }
        if commit.drop_activities {
            activities.cancel_all(commit.key);
        }
    }

    fn run_activities(&self, commit: &TurnCommit, instance: &InstanceId) {
        let mut activities = self.inner.activities.lock();
        let mut started = 0;
        let worker = self.inner.worker();
        let surplus = commit.new_activities.iter().any(|call| call.runner.is_none());
        for new in commit.new_activities.iter().filter(|call| call.runner.is_some()) {
            // Scheduled by what this process was before it lost its lease.
            if new.runner != Some(worker) {
                activities.release(commit.key);
                continue;
            }
            let Ok(name) = FunctionName::new(&new.name) else { continue };
            let (instance, execution) = (instance.clone(), ExecutionId::from_stored(&commit.execution));
            let (call, options) = call_info(instance, execution, name, new.call, new.options.as_deref(), 1);
            let waiting = Waiting { id: new.call, call, input: new.input.clone(), options, progress: None };
            activities.enqueue(commit.key, waiting, new.claim);
            started += 1;
        }
        drop(activities);
        self.inner.activities_ready.add_permits(started);
        if surplus {
            self.tell(Notice::Work { instances: false, calls: true });
        }
        self.refill_activities();
    }

    /// The result of an activity goes to its instance in memory when that can take it, and into the store otherwise. With
    /// `goes_on`, gives the turn that follows, unless others have waited longer for theirs.
    pub(super) fn deliver_result(&self, lease: &ActivityLease, result: LeafResult, goes_on: bool) -> Option<TurnWork> {
        let task_id = lease.call.task();
        let event = match result {
            Ok(result) => EventKind::TaskCompleted { task_id, result },
            Err(failure) => EventKind::TaskFailed { task_id, failure },
        };
        let origin = Origin::Activity { call: lease.call, claim: lease.claim };
        let inner = &self.inner;
        let now = inner.clock.now();
        let message = Message { time: now, event, origin };
        if self.may_be_run_by_others(lease) {
            self.store_message(lease.key, &lease.execution, message);
            return None;
        }
        let mut instances = inner.instances.lock();
        let delivery = instances.deliver(lease.key, message, Some(&lease.execution));
        if goes_on && matches!(delivery, Delivery::Ready) && !inner.turns_ready.is_closed() {
            let next = instances.take_only_turn(inner.options.events_per_turn, now);
            if next.is_some() {
                return next;
            }
        }
        drop(instances);
        match delivery {
            Delivery::Held | Delivery::Gap => {}
            Delivery::Ready => inner.turns_ready.add_permits(1),
            Delivery::Absent(message) => self.store_message(lease.key, &lease.execution, message),
        }
        None
    }

    /// True for a call that this worker has held through a time without a lease.
    fn may_be_run_by_others(&self, lease: &ActivityLease) -> bool {
        let Some(sharing) = &self.inner.sharing else { return false };
        let first_safe = sharing.first_safe_claim.load(std::sync::atomic::Ordering::SeqCst);
        lease.claim < first_safe || !self.inner.holds_lease()
    }

    /// Turns what only memory knows of, the result of an activity or the firing of a timer, into an inbox row, in one commit
    /// with the deletion of its own row.
    pub(super) fn store_message(&self, key: InstanceKey, execution: &ExecutionId, message: Message) {
        let completes = match message.origin {
            Origin::Activity { call, claim } => Completes::Activity(call, claim),
            Origin::Timer(call) => Completes::Timer(call),
            Origin::Start | Origin::Inbox(_) => return,
        };
        let write = Write::Message(NewMessage {
            to: MessageTarget::Execution(key, execution.as_str().to_owned()),
            time: message.time,
            event: encode_event(&message.event),
            completes: Some(completes),
        });
        let engine = self.clone();
        self.inner.submit(write, Patience::Endless, move |_, written| {
            let Ok(Written::Queued { key, seq, owner }) = written else { return };
            if owner.is_none() && engine.inner.sharing.is_some() && engine.inner.instances.lock().id_of(key).is_some() {
                // It is here, and the store took this worker for dead: what is known of it may count no more.
                return engine.look_into(key);
            }
            engine.message_is_durable(key, owner, Message { origin: Origin::Inbox(seq), ..message });
        });
    }

    /// A message lies in the inbox: tell the instance, or bring it into memory, or tell the other worker that owns it.
    pub(super) fn message_is_durable(&self, key: InstanceKey, owner: Option<WorkerId>, message: Message) {
        if self.is_of_another(key, owner) {
            return;
        }
        let delivery = self.inner.instances.lock().deliver(key, message, None);
        match delivery {
            Delivery::Held => {}
            Delivery::Gap => self.look_into(key),
            Delivery::Ready => self.inner.turns_ready.add_permits(1),
            Delivery::Absent(message) => self.load(key, Some(message)),
        }
    }

    /// A timer is due. It fires at once, unless a test holds it.
    pub(super) fn timer_is_due(&self, timer: TimerRow) {
        let Some(held) = self.inner.clock.hold(&timer) else { return self.fire(timer) };
        let engine = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = held => engine.fire(timer),
                () = engine.inner.closed.cancelled() => {}
            }
        });
    }

    fn fire(&self, timer: TimerRow) {
        if timer.call == CallId::START {
            return self.start_due(timer.key);
        }
        let event = EventKind::TimerFired { timer_id: timer.call.task(), fire_at: timer.fire_at };
        let message = Message { time: self.inner.clock.now(), event, origin: Origin::Timer(timer.call) };
        self.message_is_durable(timer.key, None, message);
    }

    /// Looks into the store for calls that nobody runs, when there may be some and there is room.
    pub(super) fn refill_activities(&self) {
        // In a shared store others take what comes now, and what this worker has no code for.
        if self.inner.sharing.is_some() && (self.inner.is_closing() || !self.inner.catalogue.lock().has_activities()) {
            return;
        }
        let Some(limit) = self.inner.activities.lock().begin_refill() else { return };
        let first_claim = self.inner.next_claim.fetch_add(limit as i64, std::sync::atomic::Ordering::Relaxed);
        let engine = self.clone();
        let (worker, runs) = (self.inner.worker(), self.inner.catalogue.lock().activities());
        let write = Write::ClaimActivities { worker, first_claim, limit, runs };
        self.inner.submit(write, Patience::Endless, move |_, written| {
            let mut rows = if let Ok(Written::Activities(rows)) = written { rows } else { Vec::new() };
            let more = rows.len() >= limit;
            if worker != engine.inner.worker() {
                // Nobody would run what an earlier self has taken, or only after a while.
                let calls = rows.drain(..).map(|row| HeldCall { key: row.key, call: row.call, claim: row.claim });
                engine.hand_back(calls.collect());
            }
            for row in rows {
                engine.take_call(row);
            }
            engine.inner.activities.lock().end_refill(more);
            if engine.inner.sharing.is_some() && engine.inner.is_closing() {
                // They have come too late for this worker.
                return engine.leave();
            }
            // Some of them may have been over already.
            engine.refill_activities();
        });
    }

    /// Leaves calls to whoever has room for them, this worker included.
    pub(super) fn hand_back(&self, calls: Vec<HeldCall>) {
        if calls.is_empty() {
            return;
        }
        let engine = self.clone();
        self.inner.submit(Write::HandBack(calls), Patience::Endless, move |_, _| {
            engine.tell(Notice::Work { instances: false, calls: true });
            engine.look_for_work(false, true);
        });
    }

    fn take_call(&self, row: ActivityRow) {
        let parsed = (InstanceId::new(&row.instance), FunctionName::new(&row.name));
        let (Ok(instance), Ok(name)) = parsed else {
            tracing::error!(instance = row.instance, name = row.name, "a stored activity call cannot be read");
            return;
        };
        let execution = ExecutionId::from_stored(&row.execution);
        let options = row.options.as_deref();
        let (call, options) = call_info(instance, execution.clone(), name, row.call, options, row.deliveries);
        let poisoned = row.deliveries > self.inner.options.max_deliveries;
        let lease = ActivityLease { key: row.key, execution, call: row.call, claim: row.claim };
        if poisoned {
            tracing::error!(instance = %call.instance, activity = %call.name, task = %row.call.task(), "an activity is poison");
            let failure = poison(&call.name, row.call.task(), row.deliveries - 1);
            self.deliver_result(&lease, Err(failure), false);
            return;
        }
        let waiting = Waiting { id: row.call, call, input: row.input, options, progress: row.progress };
        self.inner.activities.lock().enqueue_claimed(row.key, waiting, row.claim);
        self.inner.activities_ready.add_permits(1);
    }

    /// Puts an instance aside whose code cannot go on, and tries it again later.
    pub(super) async fn stall(
        &self,
        lease: &TurnLease,
        reason: String,
        retry_after: Duration,
    ) -> Result<(), SourceError> {
        let (volatile, ready, execution, epoch) = {
            let mut instances = self.inner.instances.lock();
            let (known, _) = instances.leased(lease).ok_or(SourceError::LeaseLost)?;
            let (execution, epoch) = (known.header.execution.clone(), known.standing.epoch);
            let (volatile, ready) = instances.stall(lease);
            (volatile, ready, execution, epoch)
        };
        if ready {
            self.inner.turns_ready.add_permits(1);
        }
        self.inner.made_room();
        self.end_trial(lease.key);
        for message in volatile {
            self.store_message(lease.key, &execution, message);
        }
        let (answer, stored) = oneshot::channel();
        let write = Write::Stall { key: lease.key, epoch, reason: Some(reason) };
        self.inner.submit(write, Patience::Endless, move |_, written| {
            let _ = answer.send(written);
        });
        let written = stored.await.map_err(|_gone| SourceError::Closed)??;
        if written != Written::Done && self.inner.sharing.is_some() {
            // Another worker has had it since. What was wrong here may be right in what it has become.
            let id = self.inner.instances.lock().remove_at(lease.key, epoch);
            if let Some(id) = id {
                self.inner.waiters.changed(&id);
                self.load(lease.key, None);
            }
            return Err(SourceError::LeaseLost);
        }
        self.wake_later(lease.key, retry_after);
        if written == Written::Done { Ok(()) } else { Err(SourceError::LeaseLost) }
    }
}

impl LocalEngine {
    fn wake_later(&self, key: InstanceKey, pause: Duration) {
        let clock = Arc::clone(&self.inner.clock);
        let closed = self.inner.closed.clone();
        // Held weakly: a stalled instance must not keep a store open whose hub is gone.
        let inner = Arc::downgrade(&self.inner);
        let at = clock.now().saturating_add(pause);
        tokio::spawn(async move {
            while clock.now() < at {
                tokio::select! {
                    () = clock.sleep_until(at) => {}
                    () = closed.cancelled() => return,
                }
            }
            if let Some(inner) = inner.upgrade()
                && inner.instances.lock().wake(key)
            {
                inner.turns_ready.add_permits(1);
            }
        });
    }
}

/// What an activity learns of its call, and how it is to run.
fn call_info(
    instance: InstanceId,
    execution: ExecutionId,
    name: FunctionName,
    call: CallId,
    options: Option<&str>,
    delivery: u32,
) -> (ActivityCallInfo, TaskOptions) {
    let CallOptions { task: options, trace } = read_options(options);
    let task_id = call.task();
    let first_attempt = options.first_attempt.unwrap_or(task_id);
    let attempt = options.attempt;
    (ActivityCallInfo { instance, execution, name, task_id, first_attempt, attempt, delivery, trace }, options)
}

fn poison(name: &FunctionName, task: TaskId, deliveries: u32) -> FailureDetails {
    let message = format!(
        "activity '{name}' ({task}) was started {deliveries} times and its process ended each time before it did: it is not \
         started again"
    );
    FailureDetails::new("Poison", message).non_retriable()
}
