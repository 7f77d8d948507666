//! The queue of external events of one execution.

use std::collections::{HashMap, VecDeque};

use super::leaf::LeafId;
use crate::model::{EventName, Payload};

/// Which of several waits for the same event gets the next one. Unread events are always taken in the order of their arrival.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EventOrder {
    /// The wait that was made first.
    #[default]
    OldestWait,
    /// The wait that was made last, as in the .NET and JavaScript SDKs of Durable Functions.
    NewestWait,
}

/// Waits and unread events by folded name.
#[derive(Debug, Default)]
pub(super) struct ExternalEvents {
    pub(super) order: EventOrder,
    waiting: HashMap<String, VecDeque<LeafId>>,
    unread: HashMap<String, VecDeque<(Arrival, Payload)>>,
    arrivals: u64,
}

/// The place of an event among all events, and its name as the sender wrote it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    at: u64,
    name: EventName,
}

/// What an event or a wait met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) leaf: LeafId,
    pub(super) payload: Payload,
    pub(super) arrival: Arrival,
}

impl ExternalEvents {
    /// A new event arrived.
    pub(super) fn raise(&mut self, name: &EventName, payload: Payload) -> Option<Match> {
        self.arrivals += 1;
        self.put(payload, Arrival { at: self.arrivals, name: name.clone() })
    }

    /// An event that was given to a wait which was dropped before the code saw it comes back to its old place.
    pub(super) fn give_back(&mut self, payload: Payload, arrival: Arrival) -> Option<Match> {
        self.put(payload, arrival)
    }

    fn put(&mut self, payload: Payload, arrival: Arrival) -> Option<Match> {
        let name = arrival.name.folded();
        let next = match self.order {
            EventOrder::OldestWait => VecDeque::pop_front,
            EventOrder::NewestWait => VecDeque::pop_back,
        };
        if let Some(leaf) = self.waiting.get_mut(&name).and_then(next) {
            return Some(Match { leaf, payload, arrival });
        }
        let unread = self.unread.entry(name).or_default();
        let place = unread.partition_point(|(other, _)| other.at < arrival.at);
        unread.insert(place, (arrival, payload));
        None
    }

    /// The code starts to wait.
    pub(super) fn wait(&mut self, name: &str, leaf: LeafId) -> Option<Match> {
        if let Some((arrival, payload)) = self.unread.get_mut(name).and_then(VecDeque::pop_front) {
            return Some(Match { leaf, payload, arrival });
        }
        self.waiting.entry(name.to_owned()).or_default().push_back(leaf);
        None
    }

    /// The code dropped a wait: it leaves the queue at once, so that it cannot eat the next event.
    pub(super) fn forget(&mut self, name: &str, leaf: LeafId) {
        if let Some(waiting) = self.waiting.get_mut(name) {
            waiting.retain(|other| *other != leaf);
        }
    }

    /// The folded names of events that are waited for, in alphabetical order.
    pub(super) fn awaited(&self) -> Vec<String> {
        let waiting = self.waiting.iter().filter(|(_, leaves)| !leaves.is_empty());
        let mut names: Vec<_> = waiting.map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }

    /// The names of the events that nobody has read, in the order of arrival.
    pub(super) fn unread(&self) -> Vec<EventName> {
        let mut unread: Vec<_> = self.unread.values().flatten().map(|(arrival, _)| arrival).collect();
        unread.sort_by_key(|arrival| arrival.at);
        unread.into_iter().map(|arrival| arrival.name.clone()).collect()
    }

    /// Takes what nobody has read, in the order of arrival.
    pub(super) fn take_unread(&mut self) -> Vec<(EventName, Payload)> {
        let mut unread: Vec<_> = self.unread.drain().flat_map(|(_, events)| events).collect();
        unread.sort_by_key(|(arrival, _)| arrival.at);
        unread.into_iter().map(|(arrival, payload)| (arrival.name, payload)).collect()
    }
}
