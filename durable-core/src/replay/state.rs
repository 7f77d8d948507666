//! The state of an execution between and during polls.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use super::drivers::{Driver, Drivers};
use super::external::{EventOrder, ExternalEvents, Match};
use super::leaf::{DriverId, LeafId, LeafKind, LeafState, Leaves, Resolution, Waiter};
use super::markers::Markers;
use super::random::Streams;
use super::thread::ThreadMark;
use super::turn::TurnOutcome;
use super::waker::RootWaker;
use crate::history::{Action, EventKind};
use crate::model::numbers::NumberMap;
use crate::model::{
    EVENT_TIMEOUT_ERROR_TYPE, EventName, FailureDetails, Limit, LimitExceeded, Payload, SourceLocation, TaskId,
    Timestamp,
};

/// Whether the orchestrator's code is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between polls. Nobody may make durable calls.
    Parked,
    /// The code is being polled on this thread.
    Running(ThreadMark),
    /// The future is being taken down, or is gone: what happens now is not the code's doing.
    TornDown,
}

/// Everything that the code's durable calls read and change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    /// Whose code runs while the phase is [`Phase::Running`].
    pub(super) running: Waiter,
    pub(super) now: Timestamp,
    pub(super) replaying: bool,
    /// A durable call was made while the code was not running.
    pub(super) stray_call: bool,
    pub(super) guids: u32,
    pub(super) streams: Streams,
    pub(super) custom_status: Option<Payload>,
    pub(super) markers: Markers,
    pub(super) drivers: Drivers,
    /// A limit that ends the instance with this turn: the call that exceeded it has no way to fail.
    pub(super) overflow: Option<FailureDetails>,
    next_task: u32,
    /// Ascending.
    produced: Vec<(TaskId, Action)>,
    canceled: Vec<TaskId>,
    canceled_children: Vec<TaskId>,
    unawaited: Vec<TaskId>,
    open: NumberMap<TaskId, LeafId>,
    leaves: Leaves,
    external: ExternalEvents,
    /// Where the code has waited for which event, each once.
    places: Vec<(EventName, SourceLocation)>,
    calls: u64,
    actions: Limit,
    actions_this_turn: u64,
}

/// An action that the code has just taken.
#[derive(Debug, Clone, Copy)]
pub struct Issued {
    /// What its completion resolves.
    pub leaf: LeafId,
    /// Its sequence number.
    pub task: TaskId,
}

impl State {
    pub(super) fn new(root: Arc<RootWaker>, actions: Limit) -> Self {
        Self {
            phase: Phase::Parked,
            running: Waiter::Code,
            now: Timestamp::UNIX_EPOCH,
            replaying: true,
            stray_call: false,
            guids: 0,
            streams: Streams::default(),
            custom_status: None,
            markers: Markers::default(),
            drivers: Drivers::new(root),
            overflow: None,
            next_task: 0,
            produced: Vec::new(),
            canceled: Vec::new(),
            canceled_children: Vec::new(),
            unawaited: Vec::new(),
            open: NumberMap::default(),
            leaves: Leaves::default(),
            external: ExternalEvents::default(),
            places: Vec::new(),
            calls: 0,
            actions,
            actions_this_turn: 0,
        }
    }

    pub(super) fn set_event_order(&mut self, order: EventOrder) {
        self.external.order = order;
    }

    pub(super) fn begin_turn(&mut self, now: Timestamp, replaying: bool) {
        self.now = now;
        self.replaying = replaying;
        self.actions_this_turn = 0;
    }

    /// The code or a driver is going to be polled on this thread.
    pub(super) fn enter(&mut self, waiter: Waiter) {
        self.phase = Phase::Running(ThreadMark::here());
        self.running = waiter;
    }

    /// True while the code runs on this thread. Anything else that calls is foreign, and is noted.
    pub(super) fn is_code_running(&mut self) -> bool {
        match self.phase {
            Phase::Running(thread) if thread == ThreadMark::here() => true,
            Phase::TornDown => false,
            Phase::Parked | Phase::Running(_) => {
                self.stray_call = true;
                false
            }
        }
    }

    /// The number of open leaves that somebody waits for.
    pub(super) fn awaited_by(&self, waiter: Waiter) -> usize {
        self.leaves.awaited_by(waiter)
    }

    /// Grows with everything durable that the code does.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    /// The tasks that are not complete, ascending.
    pub(super) fn open_tasks(&self) -> Vec<TaskId> {
        let mut open: Vec<_> = self.open.keys().copied().collect();
        open.sort();
        open
    }

    pub(super) fn external(&self) -> &ExternalEvents {
        &self.external
    }

    pub(super) fn note_call(&mut self) {
        self.calls += 1;
    }

    pub(super) fn take_task_id(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    /// Takes an action that nobody waits for.
    pub(super) fn emit(&mut self, make: impl FnOnce(TaskId) -> Action) -> Result<TaskId, LimitExceeded> {
        self.calls += 1;
        self.actions_this_turn += 1;
        if self.actions_this_turn > self.actions.hard {
            let (size, limit) = (self.actions_this_turn, self.actions.hard);
            return Err(LimitExceeded { what: "the turn".to_owned(), size, limit, unit: "actions" });
        }
        if self.actions_this_turn == self.actions.soft + 1 && !self.replaying {
            // Between the limits this only tells.
            let _ = self.actions.check(self.actions_this_turn, "actions", || "the turn".to_owned());
        }
        let id = self.take_task_id();
        self.produced.push((id, make(id)));
        Ok(id)
    }

    pub(super) fn act(&mut self, make: impl FnOnce(TaskId) -> Action) -> Result<Issued, LimitExceeded> {
        let task = self.emit(make)?;
        let is_child = matches!(self.produced.last(), Some((_, Action::StartChild { .. })));
        let leaf = self.leaves.open(if is_child { LeafKind::Child(task) } else { LeafKind::Task(task) });
        self.open.insert(task, leaf);
        Ok(Issued { leaf, task })
    }

    /// Changes an action that is not committed yet. False when it is.
    pub(super) fn amend(&mut self, task: TaskId, change: impl FnOnce(&mut Action)) -> bool {
        self.place_of(task).map(|place| change(&mut self.produced[place].1)).is_some()
    }

    /// Where an action stands that is not committed yet.
    fn place_of(&self, task: TaskId) -> Option<usize> {
        self.produced.binary_search_by_key(&task, |(id, _)| *id).ok()
    }

    /// Takes an action back that is not committed yet; its sequence number stays taken.
    pub(super) fn withdraw(&mut self, task: TaskId) -> Option<Waker> {
        self.produced.remove(self.place_of(task)?);
        let leaf = self.open.remove(&task)?;
        self.leaves.remove(leaf)?.into_waker()
    }

    pub(super) fn wait_for_event(&mut self, name: &EventName, source: SourceLocation) -> LeafId {
        self.calls += 1;
        self.note_place(name, source);
        let leaf = self.leaves.open(LeafKind::Event { name: name.clone(), limit: None });
        if let Some(found) = self.external.wait(name, leaf) {
            self.resolve_event(found);
        }
        leaf
    }

    fn note_place(&mut self, name: &EventName, source: SourceLocation) {
        if !self.places.iter().any(|(known, place)| *place == source && known == name) {
            self.places.push((name.clone(), source));
        }
    }

    /// Where the code has waited for events so far.
    pub(super) fn places(&self) -> &[(EventName, SourceLocation)] {
        &self.places
    }

    /// Where the code has made its last call of this turn. Where it has never made another, a wait for an event counts.
    pub(super) fn last_call(&self) -> Option<SourceLocation> {
        let waited = || self.places.last().filter(|_| self.next_task == 0).map(|(_, source)| source);
        self.produced.last().map(|(_, action)| action.source()).or_else(waited).cloned()
    }

    /// Lets a timer end a wait for an event. A wait that has its event already needs none.
    pub(super) fn limit_wait(
        &mut self,
        id: LeafId,
        fire_at: Timestamp,
        source: SourceLocation,
    ) -> Result<(), LimitExceeded> {
        let is_open = self.leaves.get_mut(id).is_some_and(|leaf| matches!(leaf.state, LeafState::Open));
        if !is_open {
            return Ok(());
        }
        let task = self.emit(|_| Action::CreateTimer { fire_at, source })?;
        self.open.insert(task, id);
        let old = match self.leaves.get_mut(id).map(|leaf| &mut leaf.kind) {
            Some(LeafKind::Event { limit, .. }) => limit.replace(task),
            _ => None,
        };
        self.cancel(old);
        Ok(())
    }

    /// Takes in a future that works for the code; gives the leaf that it resolves.
    pub(super) fn drive(&mut self, driver: Driver) -> LeafId {
        self.calls += 1;
        let leaf = self.leaves.open(LeafKind::Driven(self.drivers.next_id()));
        self.drivers.add(driver, leaf);
        leaf
    }

    /// A driver is done.
    pub(super) fn finish_driver(&mut self, driver: DriverId, result: Resolution) -> Option<Waker> {
        let leaf = self.drivers.finish(driver)?;
        self.leaves.resolve(leaf, result, None)
    }

    pub(super) fn poll_leaf(&mut self, leaf: LeafId, cx: &Context<'_>) -> (Poll<Resolution>, Option<Waker>) {
        let (result, old) = self.leaves.poll(leaf, self.running, cx);
        self.calls += u64::from(result.is_ready());
        (result, old)
    }

    fn cancel(&mut self, task: Option<TaskId>) {
        if let Some(task) = task
            && self.open.remove(&task).is_some()
        {
            self.canceled.push(task);
        }
    }

    /// The code dropped a handle. An action that is not finished is cancelled; its sequence number stays taken.
    pub(super) fn drop_leaf(&mut self, id: LeafId) -> Dropped {
        self.calls += 1;
        let Some(mut leaf) = self.leaves.remove(id) else { return Dropped::default() };
        let mut dropped = Dropped::default();
        match (&leaf.kind, std::mem::replace(&mut leaf.state, LeafState::Open)) {
            (LeafKind::Task(task), LeafState::Open) => self.cancel(Some(*task)),
            (LeafKind::Child(task), LeafState::Open) => {
                self.cancel(Some(*task));
                self.canceled_children.push(*task);
            }
            (LeafKind::Event { name, limit }, LeafState::Open) => {
                self.external.forget(name, id);
                self.cancel(*limit);
            }
            (LeafKind::Event { .. }, LeafState::Done { result: Ok(payload), event: Some(arrival) }) => {
                let found = self.external.give_back(payload, arrival);
                dropped.wake = found.and_then(|found| self.resolve_event(found));
            }
            (LeafKind::Driven(driver), LeafState::Open) => dropped.driver = self.drivers.give_up(*driver),
            (_, LeafState::Done { .. }) => {}
        }
        dropped.own = leaf.into_waker();
        dropped
    }

    /// The code is dropping the handle of a call that it has never awaited.
    pub(super) fn note_unawaited(&mut self, task: TaskId) {
        self.unawaited.push(task);
    }

    /// The code gives a handle up without cancelling what it stands for.
    pub(super) fn detach_leaf(&mut self, id: LeafId) -> Option<Waker> {
        self.calls += 1;
        let leaf = self.leaves.remove(id)?;
        if let LeafKind::Task(task) | LeafKind::Child(task) = leaf.kind {
            self.open.remove(&task);
        }
        leaf.into_waker()
    }

    /// Delivers the completion of an action. A completion that nobody waits for any more is dropped silently.
    /// Like every delivery it gives back whom to wake, once the state is unlocked.
    pub(super) fn complete_task(&mut self, task: TaskId, result: Resolution) -> Option<Waker> {
        let id = self.open.remove(&task)?;
        let result = match self.leaves.get_mut(id).map(|leaf| &leaf.kind) {
            Some(LeafKind::Event { name, .. }) => {
                self.external.forget(name, id);
                {
                    let message = format!("no event '{}' arrived in time", name.folded());
                    Err(Box::new(FailureDetails::new(EVENT_TIMEOUT_ERROR_TYPE, message)))
                }
            }
            _ => result,
        };
        self.leaves.resolve(id, result, None)
    }

    pub(super) fn raise_event(&mut self, name: &EventName, payload: Payload) -> Option<Waker> {
        let found = self.external.raise(name, payload)?;
        self.resolve_event(found)
    }

    fn resolve_event(&mut self, found: Match) -> Option<Waker> {
        let limit = match self.leaves.get_mut(found.leaf).map(|leaf| &mut leaf.kind) {
            Some(LeafKind::Event { limit, .. }) => limit.take(),
            _ => None,
        };
        self.cancel(limit);
        self.leaves.resolve(found.leaf, Ok(found.payload), Some(found.arrival))
    }

    /// The external events that nobody has read, in the order of arrival.
    pub(super) fn take_unread(&mut self) -> Vec<EventKind> {
        let unread = self.external.take_unread().into_iter();
        unread.map(|(name, input)| EventKind::EventRaised { name, input }).collect()
    }

    /// Takes the place of actions that nobody needs any more, for those of the next turn.
    pub(super) fn reuse(&mut self, mut actions: Vec<(TaskId, Action)>) {
        if self.produced.is_empty() {
            actions.clear();
            self.produced = actions;
        }
    }

    /// True when `task` was ever given out.
    pub(super) fn knows(&self, task: TaskId) -> bool {
        task.0 < self.next_task
    }

    /// Takes what the code decided since the last call. Of a paused instance only the markers come out: they must stand in
    /// the turn that took the decision, or a replay would not find them there.
    pub(super) fn take_outcome(&mut self, is_suspended: bool) -> TurnOutcome {
        let mut outcome = TurnOutcome {
            markers: self.markers.take(),
            custom_status: self.custom_status.clone(),
            is_suspended,
            ..TurnOutcome::default()
        };
        if !is_suspended {
            outcome.actions = std::mem::take(&mut self.produced);
            outcome.canceled = std::mem::take(&mut self.canceled);
            outcome.canceled_children = std::mem::take(&mut self.canceled_children);
            outcome.unawaited = std::mem::take(&mut self.unawaited);
            outcome.unawaited.sort_unstable();
            outcome.canceled.sort_unstable();
            outcome.canceled_children.sort_unstable();
        }
        outcome
    }
}

/// What a dropped handle leaves, to be used and dropped when the state is unlocked.
#[derive(Default)]
pub(super) struct Dropped {
    /// Another wait that got the event instead.
    pub(super) wake: Option<Waker>,
    /// The handle's own.
    pub(super) own: Option<Waker>,
    /// The future that worked for the handle. What it drops in turn counts as dropped by the code.
    pub(super) driver: Option<Driver>,
}
