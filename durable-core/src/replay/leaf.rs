//! Leaves: the durable futures that an orchestrator's code can wait for.

use std::task::{Context, Poll, Waker};

use super::external::Arrival;
use crate::model::numbers::NumberMap;
use crate::model::{EventName, FailureDetails, Payload, TaskId};

/// What a leaf resolves to. It is handed on often and fails rarely, so the failure is out of the way.
pub type Resolution = Result<Payload, Box<FailureDetails>>;

/// How an activity ends.
pub type LeafResult = Result<Payload, FailureDetails>;

/// Names one durable future of an execution. It is not part of the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafId {
    place: u32,
    /// Which of the leaves that have stood there it is.
    turn: u32,
}

/// Names a future that works for the code in the background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct DriverId(pub(super) u64);

/// What a leaf waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LeafKind {
    /// The completion of an action.
    Task(TaskId),
    /// The end of a child.
    Child(TaskId),
    /// The next external event with this name, or the timer that limits the wait.
    Event {
        /// The name.
        name: EventName,
        /// The timer.
        limit: Option<TaskId>,
    },
    /// What a driver comes to.
    Driven(DriverId),
}

/// Who waits for a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waiter {
    /// The orchestrator's own code.
    Code,
    /// A driver. What it waits for is nothing that the code waits for.
    Driver(DriverId),
}

#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) kind: LeafKind,
    pub(super) state: LeafState,
    waiting: Option<(Waker, Waiter)>,
}

impl Leaf {
    /// The waker of whoever waits for it.
    pub(super) fn into_waker(self) -> Option<Waker> {
        self.waiting.map(|(waker, _)| waker)
    }
}

#[derive(Debug)]
pub(super) enum LeafState {
    Open,
    /// Resolved and not yet taken by the code.
    Done {
        result: Resolution,
        /// For an external event: its place among all events.
        event: Option<Arrival>,
    },
}

/// All leaves that the code and its drivers still hold.
#[derive(Debug, Default)]
pub(super) struct Leaves {
    places: Vec<Place>,
    /// Empty places. There are never more of them than leaves were open at once.
    free: Vec<u32>,
    awaited_by_code: usize,
    awaited_by_drivers: NumberMap<DriverId, usize>,
}

#[derive(Debug)]
struct Place {
    turn: u32,
    leaf: Option<Leaf>,
}

impl Leaves {
    pub(super) fn open(&mut self, kind: LeafKind) -> LeafId {
        let leaf = Some(Leaf { kind, state: LeafState::Open, waiting: None });
        if let Some(number) = self.free.pop() {
            let place = &mut self.places[number as usize];
            place.leaf = leaf;
            return LeafId { place: number, turn: place.turn };
        }
        if self.places.is_empty() {
            // Most instances that wait do so for one thing, and there may be very many of them.
            self.places.reserve_exact(1);
        }
        self.places.push(Place { turn: 0, leaf });
        LeafId { place: (self.places.len() - 1) as u32, turn: 0 }
    }

    pub(super) fn get_mut(&mut self, id: LeafId) -> Option<&mut Leaf> {
        self.places.get_mut(id.place as usize).filter(|place| place.turn == id.turn)?.leaf.as_mut()
    }

    fn take(&mut self, id: LeafId) -> Option<Leaf> {
        let place = self.places.get_mut(id.place as usize).filter(|place| place.turn == id.turn)?;
        let leaf = place.leaf.take()?;
        place.turn = place.turn.wrapping_add(1);
        self.free.push(id.place);
        Some(leaf)
    }

    /// The number of open leaves that somebody is waiting for.
    pub(super) fn awaited_by(&self, waiter: Waiter) -> usize {
        match waiter {
            Waiter::Code => self.awaited_by_code,
            Waiter::Driver(driver) => self.awaited_by_drivers.get(&driver).copied().unwrap_or(0),
        }
    }

    fn count(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Code => self.awaited_by_code += 1,
            Waiter::Driver(driver) => *self.awaited_by_drivers.entry(driver).or_default() += 1,
        }
    }

    fn discount(&mut self, waiter: Waiter) {
        match waiter {
            Waiter::Code => self.awaited_by_code -= 1,
            Waiter::Driver(driver) => {
                if let Some(count) = self.awaited_by_drivers.get_mut(&driver) {
                    *count -= 1;
                    if *count == 0 {
                        self.awaited_by_drivers.remove(&driver);
                    }
                }
            }
        }
    }

    /// Resolves an open leaf; gives back whom to wake.
    pub(super) fn resolve(&mut self, id: LeafId, result: Resolution, event: Option<Arrival>) -> Option<Waker> {
        let leaf = self.get_mut(id)?;
        leaf.state = LeafState::Done { result, event };
        let (waker, waiter) = leaf.waiting.take()?;
        self.discount(waiter);
        Some(waker)
    }

    /// Polls a leaf. The waker that it gives back is to be dropped when the state is unlocked: it may own anything.
    pub(super) fn poll(&mut self, id: LeafId, waiter: Waiter, cx: &Context<'_>) -> (Poll<Resolution>, Option<Waker>) {
        let Some(leaf) = self.get_mut(id) else { return (Poll::Pending, None) };
        if matches!(leaf.state, LeafState::Open) {
            if leaf.waiting.as_ref().is_some_and(|(waker, old)| *old == waiter && waker.will_wake(cx.waker())) {
                return (Poll::Pending, None);
            }
            let old = leaf.waiting.replace((cx.waker().clone(), waiter));
            self.count(waiter);
            let old = old.map(|(waker, waiter)| {
                self.discount(waiter);
                waker
            });
            return (Poll::Pending, old);
        }
        match self.remove(id) {
            Some(Leaf { state: LeafState::Done { result, .. }, waiting, .. }) => {
                (Poll::Ready(result), waiting.map(|(waker, _)| waker))
            }
            _ => (Poll::Pending, None),
        }
    }

    pub(super) fn remove(&mut self, id: LeafId) -> Option<Leaf> {
        let leaf = self.take(id)?;
        if let Some((_, waiter)) = &leaf.waiting {
            self.discount(*waiter);
        }
        Some(leaf)
    }
}
