//! Instances that come from other workers of a shared store, and go to them.

use super::{Entry, Instances};
use crate::backend::{CallId, HeldCall, InstanceKey, NewTimer, Release};
use crate::engine::entry::{Known, Phase};
use crate::engine::message::{Message, Origin};
use crate::model::{ExecutionId, InstanceId};

/// What memory knows of an instance that the store says is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum Presence {
    /// Nothing.
    Absent,
    /// It was paused when it was last here, and this was the last message of its inbox.
    Parked(u64),
    /// It is being loaded.
    Loading,
    /// It is here, with all messages up to this one.
    Here(u64),
}

/// An instance that is being given up, under this epoch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Leaving {
    epoch: u64,
    /// It has got something to do meanwhile.
    is_wanted: bool,
}

/// What to do with an instance that the store says is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) enum TakeIn {
    /// It is to be read from what the store said.
    Begun,
    /// It is here.
    Present,
    /// It is just being given up, and claimed once more after that: what the store said before holds no longer than until then.
    Later,
}

/// What a worker gives up that runs nothing new.
#[derive(Debug, Default)]
pub(in crate::engine) struct Left {
    pub(in crate::engine) releases: Vec<(InstanceId, Release)>,
    /// Results of activities that only memory holds.
    pub(in crate::engine) volatile: Vec<(InstanceKey, ExecutionId, Message)>,
}

impl Instances {
    /// Instances that went out of memory since the last time, and may go to others.
    pub(in crate::engine) fn take_evicted(&mut self) -> Vec<(InstanceId, Release)> {
        std::mem::take(&mut self.evicted)
    }

    /// What is known of an instance.
    pub(in crate::engine) fn presence(&self, key: InstanceKey) -> Presence {
        match self.entries.get(&key) {
            Some(Entry { known: Some(_), seen, .. }) => Presence::Here(*seen),
            Some(_) => Presence::Loading,
            None => self.parked.get(&key).map_or(Presence::Absent, |seen| Presence::Parked(*seen)),
        }
    }

    /// There may be messages that the loading of this instance does not bring.
    pub(in crate::engine) fn look_again(&mut self, key: InstanceKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.gap = true;
        }
    }

    /// Prepares for an instance that was taken over under this epoch. What was known of it under another one counts no more.
    pub(in crate::engine) fn begin_take_in(&mut self, key: InstanceKey, epoch: u64) -> TakeIn {
        let known = self.entries.get(&key).and_then(|entry| entry.known.as_ref());
        match known.map(|known| known.standing.epoch) {
            Some(present) if present >= epoch => return TakeIn::Present,
            Some(_) => drop(self.remove(key)),
            None => {}
        }
        self.parked.remove(&key);
        self.begin_load(key, None, false);
        match self.leaving.get_mut(&key) {
            Some(leaving) if leaving.epoch == epoch => {
                leaving.is_wanted = true;
                TakeIn::Later
            }
            _ => TakeIn::Begun,
        }
    }

    /// Notes that an instance goes out of memory and may go to others. Until the store has answered, it does not come back under
    /// the same epoch: a claim may have been answered before the release that was sent before it, or after it.
    pub(super) fn give_up(&mut self, known: &Known) {
        let (id, release) = release(known);
        self.leaving.insert(release.key, Leaving { epoch: release.epoch, is_wanted: false });
        self.evicted.push((id, release));
    }

    /// Gives up an instance that has something to do which only others can.
    pub(in crate::engine) fn pass_on(&mut self, key: InstanceKey) {
        let Some(known) = self.entries.get(&key).and_then(|entry| entry.known.clone()) else { return };
        self.give_up(&known);
        if let Some((_, release)) = self.evicted.last_mut() {
            release.inbox_seq = None;
        }
        self.remove(key);
    }

    /// The store has answered a release. True when the instance must be claimed now.
    pub(in crate::engine) fn left(&mut self, release: &Release) -> bool {
        let leaving = self.leaving.get(&release.key).copied().filter(|leaving| leaving.epoch == release.epoch);
        leaving.is_some_and(|leaving| {
            self.leaving.remove(&release.key);
            leaving.is_wanted && self.presence(release.key) == Presence::Loading
        })
    }

    /// Of the timers that fired while an instance was not here, only those still count that it has. Gives them.
    pub(in crate::engine) fn keep_timers(&mut self, key: InstanceKey, timers: &[NewTimer]) -> Vec<CallId> {
        let Some(entry) = self.entries.get_mut(&key) else { return Vec::new() };
        let mut fired = Vec::new();
        entry.pending.retain(|message| {
            let Origin::Timer(call) = message.origin else { return true };
            let counts = timers.iter().any(|timer| timer.call == call);
            fired.extend(counts.then_some(call));
            counts
        });
        fired
    }

    /// Forgets an instance that is not ours any more. One that is being loaded may become ours again. Gives its id.
    pub(in crate::engine) fn disown(&mut self, key: InstanceKey) -> Option<InstanceId> {
        let id = self.id_of(key)?;
        self.remove(key);
        Some(id)
    }

    /// Forgets an instance whose turn was refused, unless it was taken in anew since.
    pub(in crate::engine) fn remove_at(&mut self, key: InstanceKey, epoch: u64) -> Option<InstanceId> {
        let known = self.entries.get(&key)?.known.as_ref()?;
        if known.standing.epoch == epoch { self.disown(key) } else { None }
    }

    /// Gives up what nobody runs at this moment, whatever it has to do; with the results that only memory holds.
    pub(in crate::engine) fn leave(&mut self) -> Left {
        let resting = self.entries.iter().filter_map(|(key, entry)| {
            let is_free = !matches!(entry.phase, Phase::Running(_) | Phase::Loading);
            entry.known.as_ref().filter(|_| is_free).map(|known| (*key, known.clone()))
        });
        let mut left = Left::default();
        for (key, known) in resting.collect::<Vec<_>>() {
            let (id, release) = release(&known);
            left.releases.push((id, Release { inbox_seq: None, ..release }));
            let pending = self.remove(key).unwrap_or_default();
            let results = pending.into_iter().filter(|message| message.origin.is_volatile());
            left.volatile.extend(results.map(|message| (key, known.header.execution.clone(), message)));
        }
        left
    }

    /// Forgets the instances that have results of activities which only memory holds. Gives those.
    pub(in crate::engine) fn take_unstored(&mut self) -> Vec<(InstanceKey, ExecutionId, Vec<Message>)> {
        let mut unstored = Vec::new();
        for (key, entry) in &mut self.entries {
            let Some(known) = &entry.known else { continue };
            let received = match &mut entry.phase {
                Phase::Running(turn) => std::mem::take(&mut turn.received),
                _ => Vec::new(),
            };
            let pending = entry.pending.iter().cloned();
            let results: Vec<_> = received.iter().cloned().chain(pending).filter(|m| m.origin.is_volatile()).collect();
            if results.is_empty() {
                if let Phase::Running(turn) = &mut entry.phase {
                    turn.received = received;
                }
            } else {
                unstored.push((*key, known.header.execution.clone(), results));
            }
        }
        for (key, ..) in &unstored {
            self.remove(*key);
        }
        unstored
    }

    /// Notes calls that memory has lost, or their results: those of a turn that did not happen as far as is known here.
    pub(in crate::engine) fn not_heard(&mut self, calls: impl IntoIterator<Item = HeldCall>) {
        if self.is_shared {
            self.unheard.extend(calls);
        }
    }

    /// Calls that memory has lost, or their results. Some of them may be over nevertheless, or taken over, or not there.
    pub(in crate::engine) fn take_unheard(&mut self) -> Vec<HeldCall> {
        std::mem::take(&mut self.unheard)
    }

    /// Forgets everything.
    pub(in crate::engine) fn clear(&mut self) {
        self.entries.clear();
        self.keys.clear();
        self.ready.clear();
        self.idle.clear();
        self.stalled = 0;
        self.evicted.clear();
        self.leaving.clear();
        self.parked.clear();
        self.unheard.clear();
    }
}

/// The calls whose results are among these messages and nowhere else.
pub(super) fn results<'a>(
    key: InstanceKey,
    messages: impl Iterator<Item = &'a Message>,
) -> impl Iterator<Item = HeldCall> {
    messages.filter_map(move |message| match message.origin {
        Origin::Activity { call, claim } => Some(HeldCall { key, call, claim }),
        _ => None,
    })
}

/// How an instance is given up that is not in memory any more.
pub(super) fn release(known: &Known) -> (InstanceId, Release) {
    let Known { header, standing } = known;
    let release =
        Release { key: standing.key, epoch: standing.epoch, inbox_seq: Some(standing.consumed), watched: false };
    (header.instance.clone(), release)
}
