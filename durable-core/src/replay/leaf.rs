//! Leaves: the durable futures that an orchestrator's code can wait for.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

use crate::model::{FailureDetails, Payload, TaskId};

/// What a leaf resolves to.
pub type LeafResult = Result<Payload, FailureDetails>;

/// Names one durable future of an execution. It is not part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LeafId(u64);

/// What a leaf waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeafKind {
    /// The completion of an action.
    Task(TaskId),
    /// The next external event with this folded name.
    Event(String),
}

#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) kind: LeafKind,
    pub(super) state: LeafState,
    pub(super) waker: Option<Waker>,
}

#[derive(Debug)]
pub(super) enum LeafState {
    Open,
    /// Resolved and not yet taken by the code. `arrival` orders external events.
    Done {
        result: LeafResult,
        arrival: u64,
    },
}

/// All leaves that the code still holds.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    leaves: HashMap<LeafId, Leaf>,
    next: u64,
    waiting: usize,
}

impl Leaves {
    pub(super) fn open(&mut self, kind: LeafKind) -> LeafId {
        let id = LeafId(self.next);
        self.next += 1;
        self.leaves.insert(id, Leaf { kind, state: LeafState::Open, waker: None });
        id
    }

    /// The number of open leaves that somebody is waiting for.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Resolves an open leaf; gives back whom to wake.
    pub(super) fn resolve(&mut self, id: LeafId, result: LeafResult, arrival: u64) -> Option<Waker> {
        let leaf = self.leaves.get_mut(&id)?;
        leaf.state = LeafState::Done { result, arrival };
        let waker = leaf.waker.take();
        self.waiting -= usize::from(waker.is_some());
        waker
    }

    /// Polls a leaf. The waker that it gives back is to be dropped when the state is unlocked: it may own anything.
    pub(super) fn poll(&mut self, id: LeafId, cx: &Context<'_>) -> (Poll<LeafResult>, Option<Waker>) {
        let Some(leaf) = self.leaves.get_mut(&id) else { return (Poll::Pending, None) };
        if matches!(leaf.state, LeafState::Open) {
            if leaf.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return (Poll::Pending, None);
            }
            let old = leaf.waker.replace(cx.waker().clone());
            self.waiting += usize::from(old.is_none());
            return (Poll::Pending, old);
        }
        match self.remove(id) {
            Some(Leaf { state: LeafState::Done { result, .. }, waker, .. }) => (Poll::Ready(result), waker),
            _ => (Poll::Pending, None),
        }
    }

    pub(super) fn remove(&mut self, id: LeafId) -> Option<Leaf> {
        let leaf = self.leaves.remove(&id)?;
        self.waiting -= usize::from(leaf.waker.is_some());
        Some(leaf)
    }
}
