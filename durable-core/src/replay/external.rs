//! The queue of external events of one execution.

use std::collections::{HashMap, VecDeque};

use super::leaf::LeafId;
use crate::model::Payload;

/// Waits and unread events by folded name, both first in, first out.
#[derive(Debug, Default)]
pub(super) struct ExternalEvents {
    waiting: HashMap<String, VecDeque<LeafId>>,
    unread: HashMap<String, VecDeque<(u64, Payload)>>,
    arrivals: u64,
}

/// What an event or a wait met.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) leaf: LeafId,
    pub(super) payload: Payload,
    pub(super) arrival: u64,
}

impl ExternalEvents {
    /// A new event arrived.
    pub(super) fn raise(&mut self, name: &str, payload: Payload) -> Option<Match> {
        self.arrivals += 1;
        self.put(name, payload, self.arrivals)
    }

    /// An event that was given to a wait which was dropped before the code saw it comes back to its old place.
    pub(super) fn give_back(&mut self, name: &str, payload: Payload, arrival: u64) -> Option<Match> {
        self.put(name, payload, arrival)
    }

    fn put(&mut self, name: &str, payload: Payload, arrival: u64) -> Option<Match> {
        if let Some(leaf) = self.waiting.get_mut(name).and_then(VecDeque::pop_front) {
            return Some(Match { leaf, payload, arrival });
        }
        let unread = self.unread.entry(name.to_owned()).or_default();
        let place = unread.partition_point(|(other, _)| *other < arrival);
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
}
