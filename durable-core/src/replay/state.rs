//! The state of an execution between and during polls.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::task::{Context, Poll, Waker};
use std::thread::ThreadId;

use super::external::{ExternalEvents, Match};
use super::leaf::{LeafId, LeafKind, LeafResult, LeafState, Leaves};
use super::random::Streams;
use super::turn::TurnOutcome;
use crate::history::Action;
use crate::model::{EventName, Payload, TaskId, Timestamp};

/// Whether the orchestrator's code is running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Between polls. Nobody may make durable calls.
    Parked,
    /// The code is being polled on this thread.
    Running(ThreadId),
    /// The future is being taken down, or is gone: what happens now is not the code's doing.
    TornDown,
}

/// Everything that the code's durable calls read and change.
#[derive(Debug)]
pub(super) struct State {
    pub(super) phase: Phase,
    pub(super) now: Timestamp,
    pub(super) replaying: bool,
    /// A durable call was made while the code was not running.
    pub(super) stray_call: bool,
    pub(super) guids: u32,
    pub(super) streams: Streams,
    pub(super) custom_status: Option<Payload>,
    next_task: u32,
    produced: BTreeMap<TaskId, Action>,
    canceled: BTreeSet<TaskId>,
    open: HashMap<TaskId, LeafId>,
    leaves: Leaves,
    external: ExternalEvents,
    calls: u64,
}

impl State {
    pub(super) fn new(streams: Streams) -> Self {
        Self {
            phase: Phase::Parked,
            now: Timestamp::UNIX_EPOCH,
            replaying: true,
            stray_call: false,
            guids: 0,
            streams,
            custom_status: None,
            next_task: 0,
            produced: BTreeMap::new(),
            canceled: BTreeSet::new(),
            open: HashMap::new(),
            leaves: Leaves::default(),
            external: ExternalEvents::default(),
            calls: 0,
        }
    }

    /// True while the code runs on this thread. Anything else that calls is foreign, and is noted.
    pub(super) fn is_code_running(&mut self) -> bool {
        match self.phase {
            Phase::Running(thread) if thread == std::thread::current().id() => true,
            Phase::TornDown => false,
            Phase::Parked | Phase::Running(_) => {
                self.stray_call = true;
                false
            }
        }
    }

    /// The number of open leaves that the code waits for.
    pub(super) fn waiting(&self) -> usize {
        self.leaves.waiting()
    }

    /// Grows with everything durable that the code does.
    pub(super) fn calls(&self) -> u64 {
        self.calls
    }

    pub(super) fn take_task_id(&mut self) -> TaskId {
        let id = TaskId(self.next_task);
        self.next_task += 1;
        id
    }

    pub(super) fn act(&mut self, action: Action) -> LeafId {
        self.calls += 1;
        let id = self.take_task_id();
        let leaf = self.leaves.open(LeafKind::Task(id));
        self.open.insert(id, leaf);
        self.produced.insert(id, action);
        leaf
    }

    pub(super) fn wait_for_event(&mut self, name: &EventName) -> LeafId {
        self.calls += 1;
        let name = name.folded();
        let leaf = self.leaves.open(LeafKind::Event(name.clone()));
        if let Some(found) = self.external.wait(&name, leaf) {
            self.resolve_event(found);
        }
        leaf
    }

    pub(super) fn poll_leaf(&mut self, leaf: LeafId, cx: &Context<'_>) -> (Poll<LeafResult>, Option<Waker>) {
        let (result, old) = self.leaves.poll(leaf, cx);
        self.calls += u64::from(result.is_ready());
        (result, old)
    }

    /// The code dropped a handle. An action that is not finished is cancelled; its sequence number stays taken.
    pub(super) fn drop_leaf(&mut self, id: LeafId) -> Dropped {
        self.calls += 1;
        let Some(leaf) = self.leaves.remove(id) else { return Dropped::default() };
        let mut wake = None;
        match (leaf.kind, leaf.state) {
            (LeafKind::Task(task), LeafState::Open) => {
                self.open.remove(&task);
                self.canceled.insert(task);
            }
            (LeafKind::Event(name), LeafState::Open) => self.external.forget(&name, id),
            (LeafKind::Event(name), LeafState::Done { result: Ok(payload), arrival }) => {
                let found = self.external.give_back(&name, payload, arrival);
                wake = found.and_then(|found| self.resolve_event(found));
            }
            (_, LeafState::Done { .. }) => {}
        }
        Dropped { wake, own: leaf.waker }
    }

    /// The code gives a handle up without cancelling what it stands for.
    pub(super) fn detach_leaf(&mut self, id: LeafId) -> Option<Waker> {
        self.calls += 1;
        let leaf = self.leaves.remove(id)?;
        if let LeafKind::Task(task) = leaf.kind {
            self.open.remove(&task);
        }
        leaf.waker
    }

    /// Delivers the completion of an action. A completion that nobody waits for any more is dropped silently.
    /// Like every delivery it gives back whom to wake, once the state is unlocked.
    pub(super) fn complete_task(&mut self, task: TaskId, result: LeafResult) -> Option<Waker> {
        let leaf = self.open.remove(&task)?;
        self.leaves.resolve(leaf, result, 0)
    }

    pub(super) fn raise_event(&mut self, name: &EventName, payload: Payload) -> Option<Waker> {
        let found = self.external.raise(&name.folded(), payload)?;
        self.resolve_event(found)
    }

    fn resolve_event(&mut self, found: Match) -> Option<Waker> {
        self.leaves.resolve(found.leaf, Ok(found.payload), found.arrival)
    }

    /// True when `task` was ever given out.
    pub(super) fn knows(&self, task: TaskId) -> bool {
        task.0 < self.next_task
    }

    /// Takes what the code decided since the last call.
    pub(super) fn take_outcome(&mut self) -> TurnOutcome {
        TurnOutcome {
            actions: std::mem::take(&mut self.produced).into_iter().collect(),
            canceled: std::mem::take(&mut self.canceled).into_iter().collect(),
            custom_status: self.custom_status.clone(),
            ..TurnOutcome::default()
        }
    }
}

/// Wakers that a dropped handle leaves, to be used and dropped when the state is unlocked.
#[derive(Debug, Default)]
pub(super) struct Dropped {
    /// Another wait that got the event instead.
    pub(super) wake: Option<Waker>,
    /// The handle's own.
    pub(super) own: Option<Waker>,
}
