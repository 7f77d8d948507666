//! Which timer is due next.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::{CallId, InstanceKey, TimerRow};
use crate::model::Timestamp;

/// How many timers one look into the store brings.
pub(super) const PAGE: usize = 10_000;

/// The timers that are due first. Later ones stay in the store until their time comes near.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeSet<TimerRow>,
    fire_at: BTreeMap<(InstanceKey, CallId), Timestamp>,
    horizon: Horizon,
    loading: bool,
}

/// How far memory reaches.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Horizon {
    /// Nothing was looked up yet.
    #[default]
    Nothing,
    /// Every timer up to this one is in memory.
    Through(TimerRow),
    /// Every timer is in memory.
    Everything,
}

impl Timers {
    /// A timer was committed.
    pub(super) fn add(&mut self, timer: TimerRow) {
        let near = match self.horizon {
            Horizon::Nothing => false,
            Horizon::Through(last) => timer <= last,
            Horizon::Everything => true,
        };
        // A page that is on its way may have been read before the timer was committed.
        if near || self.loading {
            self.insert(timer);
            self.shrink();
        }
    }

    fn insert(&mut self, timer: TimerRow) {
        self.fire_at.insert((timer.key, timer.call), timer.fire_at);
        self.due.insert(timer);
    }

    /// A timer was cancelled.
    pub(super) fn remove(&mut self, key: InstanceKey, call: CallId) {
        if let Some(fire_at) = self.fire_at.remove(&(key, call)) {
            self.due.remove(&TimerRow { fire_at, key, call });
        }
    }

    /// The instance is finished.
    pub(super) fn remove_all(&mut self, key: InstanceKey) {
        let range = (key, CallId(i64::MIN))..=(key, CallId(i64::MAX));
        let calls: Vec<_> = self.fire_at.range(range).map(|((_, call), _)| *call).collect();
        for call in calls {
            self.remove(key, call);
        }
    }

    /// Keeps memory bounded: the later half goes back to being only in the store.
    fn shrink(&mut self) {
        if self.due.len() <= 2 * PAGE || self.loading {
            return;
        }
        let Some(last) = self.due.iter().nth(PAGE).copied() else { return };
        self.horizon = Horizon::Through(last);
        self.drop_after(last);
    }

    /// What is due later than `last` stays in the store alone.
    fn drop_after(&mut self, last: TimerRow) {
        let mut far = self.due.split_off(&last);
        if far.remove(&last) {
            self.due.insert(last);
        }
        for timer in far {
            self.fire_at.remove(&(timer.key, timer.call));
        }
    }

    /// Takes what is due at `now`.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<TimerRow> {
        let mut taken = Vec::new();
        while let Some(first) = self.due.first().copied().filter(|timer| timer.fire_at <= now) {
            self.remove(first.key, first.call);
            taken.push(first);
        }
        taken
    }

    /// When the next timer in memory is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.due.first().map(|timer| timer.fire_at)
    }

    /// Begins a look into the store when memory runs low: gives the timer after which to read.
    pub(super) fn begin_page(&mut self) -> Option<Option<TimerRow>> {
        if self.due.len() > PAGE / 2 {
            return None;
        }
        let after = match self.horizon {
            Horizon::Nothing => None,
            Horizon::Through(last) => Some(last),
            Horizon::Everything => return None,
        };
        self.loading = true;
        Some(after)
    }

    /// Ends a look into the store. `None` when it failed.
    pub(super) fn end_page(&mut self, page: Option<Vec<TimerRow>>) {
        self.loading = false;
        if let Some(page) = page {
            self.horizon = match page.last() {
                Some(last) if page.len() >= PAGE => Horizon::Through(*last),
                _ => Horizon::Everything,
            };
            for timer in page {
                self.insert(timer);
            }
        }
        // Of those that came meanwhile only the near ones: the others would be in the way of what lies between.
        match self.horizon {
            Horizon::Nothing => {
                self.due.clear();
                self.fire_at.clear();
            }
            Horizon::Through(last) => self.drop_after(last),
            Horizon::Everything => self.shrink(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timer(ticks: i64) -> TimerRow {
        TimerRow { fire_at: Timestamp::from_ticks(ticks), key: InstanceKey(ticks), call: CallId(0) }
    }

    #[test]
    fn a_timer_committed_during_a_look_is_not_lost() {
        let mut timers = Timers::default();
        assert_eq!(timers.begin_page(), Some(None));
        timers.add(timer(5));
        timers.end_page(Some(vec![timer(3)]));
        assert_eq!(timers.take_due(Timestamp::from_ticks(9)), [timer(3), timer(5)]);
    }

    #[test]
    fn memory_is_bounded_and_the_rest_is_read_again() {
        let mut timers = Timers::default();
        timers.begin_page();
        timers.end_page(Some(Vec::new()));
        let far = 2 * PAGE as i64 + 10;
        for ticks in 0..far {
            timers.add(timer(ticks));
        }
        assert!(timers.due.len() <= 2 * PAGE && timers.fire_at.len() == timers.due.len());
        let taken = timers.take_due(Timestamp::from_ticks(far));
        let next = timers.begin_page().flatten().unwrap();
        assert_eq!(taken.last(), Some(&next));
    }

    #[test]
    fn the_last_timer_in_memory_stays_there_when_the_rest_goes() {
        let start = |ticks| TimerRow { call: CallId::START, ..timer(ticks) };
        let mut timers = Timers::default();
        timers.begin_page();
        timers.end_page(Some(Vec::new()));
        let all: Vec<_> = (0..2 * PAGE as i64 + 10).map(start).collect();
        all.iter().for_each(|timer| timers.add(*timer));
        let end = Timestamp::from_ticks(i64::MAX);
        let mut taken = timers.take_due(end);
        let after = timers.begin_page().flatten().unwrap();
        timers.end_page(Some(all.iter().copied().filter(|timer| *timer > after).collect()));
        taken.extend(timers.take_due(end));
        assert_eq!(taken, all);
    }

    #[test]
    fn timers_that_come_during_a_look_do_not_keep_earlier_ones_in_the_store() {
        let late = |ticks| timer(1_000_000 + ticks);
        for page in [Some((0..PAGE as i64).map(timer).collect()), None] {
            let mut timers = Timers::default();
            timers.begin_page();
            (0..PAGE as i64).for_each(|ticks| timers.add(late(ticks)));
            timers.end_page(page);
            timers.take_due(Timestamp::from_ticks(1_000));
            assert!(timers.due.iter().all(|timer| *timer < late(0)));
            timers.take_due(Timestamp::from_ticks(PAGE as i64));
            assert!(timers.begin_page().is_some(), "what lies between is read next");
        }
    }

    #[test]
    fn a_cancelled_timer_does_not_fire() {
        let mut timers = Timers::default();
        timers.begin_page();
        timers.end_page(Some(vec![timer(1), timer(2)]));
        timers.remove(InstanceKey(1), CallId(0));
        timers.remove_all(InstanceKey(2));
        assert_eq!(timers.next_due(), None);
    }
}
