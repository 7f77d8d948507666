//! The instances that this process holds in memory.

mod history;
pub(super) mod ownership;

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::sync::Arc;

use lru::LruCache;

use super::entry::{Entry, Known, Phase, Turn, start_message};
use super::message::{Message, Origin};
use super::source::{TurnLease, TurnWork};
use crate::backend::{HeldCall, InstanceKey, Release, TurnCommit};
use crate::history::ExecutionHeader;
use crate::model::numbers::{NumberHash, NumberMap};
use crate::model::{ExecutionId, InstanceId, RuntimeStatus, Timestamp};
use crate::replay::TurnInput;

pub(super) use self::ownership::{Left, Presence, TakeIn};

/// What became of a message.
#[derive(Debug)]
pub(super) enum Delivery {
    /// The instance has it, and nobody needs to be told.
    Held,
    /// The instance has it, and has become ready to run.
    Ready,
    /// Its inbox has earlier messages that nobody has told it about: it must be read.
    Gap,
    /// The instance is not in memory, or takes nothing in memory at present.
    Absent(Message),
}

/// Where a committed turn leaves its instance.
#[derive(Debug)]
pub(super) enum AfterTurn {
    /// It waits for something to happen.
    Resting,
    /// It has more to do.
    Ready,
    /// It goes on in another execution. These results of the last one's activities mean nothing to it.
    Continues(Vec<Message>),
    /// The same, but only others can run the next execution.
    PassedOn(Vec<Message>),
    /// It is over. These results of detached activities came too late for it.
    Finished(Vec<Message>),
    /// It is paused, and not in memory any more. These messages have no place in the store yet.
    Parked(Vec<Message>),
}

/// How the loading of an instance begins.
#[derive(Debug)]
pub(super) enum Load {
    /// Its row is to be read.
    Begun,
    /// Its row is being read; it has the message.
    OnItsWay,
    /// It has come into memory meanwhile, and does not have the message.
    Present(Option<Message>),
}

/// What becomes of an instance that was brought into memory.
#[derive(Debug)]
pub(super) enum AfterLoad {
    /// It has something to do; a suspect does it after its release.
    Busy,
    /// It has nothing to do.
    Resting,
    /// It is paused or its time has not come, and it is not in memory. These messages have no place in the store yet.
    Parked(Vec<Message>),
}

/// All instances in memory, and the order in which they run.
#[derive(Debug)]
pub(super) struct Instances {
    entries: NumberMap<InstanceKey, Entry>,
    keys: HashMap<InstanceId, InstanceKey>,
    ready: VecDeque<InstanceKey>,
    idle: LruCache<InstanceKey, (), NumberHash>,
    stalled: usize,
    next_token: u64,
    /// Others use the same store, and may own what is not in memory here.
    is_shared: bool,
    /// Instances that went out of memory lately and may go to others.
    evicted: Vec<(InstanceId, Release)>,
    /// Those among them of which the store has not said yet whether it has let them go.
    leaving: HashMap<InstanceKey, ownership::Leaving>,
    /// Paused instances that are not in memory and stay ours, because of messages that no turn has consumed: the last one.
    parked: HashMap<InstanceKey, u64>,
    /// Calls that were lost with an instance that was forgotten, or their results.
    unheard: Vec<HeldCall>,
}

impl Instances {
    pub(super) fn new(warm: usize, is_shared: bool) -> Self {
        let warm = NonZeroUsize::new(warm).unwrap_or(NonZeroUsize::MIN);
        Self {
            entries: NumberMap::default(),
            keys: HashMap::new(),
            ready: VecDeque::new(),
            idle: LruCache::with_hasher(warm, NumberHash::default()),
            stalled: 0,
            next_token: 0,
            is_shared,
            evicted: Vec::new(),
            leaving: HashMap::new(),
            parked: HashMap::new(),
            unheard: Vec::new(),
        }
    }

    /// Takes in an instance that was created here: it has its first turn to run.
    pub(super) fn created(&mut self, known: Known, now: Timestamp) {
        let key = known.standing.key;
        if self.entries.contains_key(&key) {
            return;
        }
        self.keys.insert(known.header.instance.clone(), key);
        let pending = VecDeque::from([start_message(&known.header, now)]);
        self.entries.insert(key, Entry::new(Phase::Queued, Some(known), pending));
        self.ready.push_back(key);
    }

    /// Hands a message to an instance in memory. The result of an activity is taken only by the execution that called it,
    /// and by no instance that cannot run: it would be lost in a crash without its row.
    pub(super) fn deliver(&mut self, key: InstanceKey, message: Message, execution: Option<&ExecutionId>) -> Delivery {
        let Some(entry) = self.entries.get_mut(&key) else { return Delivery::Absent(message) };
        let fits = |known: &Known| execution.is_none_or(|execution| *execution == known.header.execution);
        // A timer of an earlier execution, which was due as it ended, means nothing to this one.
        if entry.known.as_ref().is_some_and(|known| !message.origin.is_of(known.header.generation)) {
            return Delivery::Held;
        }
        if message.origin.is_volatile()
            && (!entry.known.as_ref().is_some_and(fits) || matches!(entry.phase, Phase::Stalled))
        {
            return Delivery::Absent(message);
        }
        if let Some(seq) = message.origin.inbox_seq() {
            // The answer to a repeated write names a row that is known already.
            if seq <= entry.seen {
                return Delivery::Held;
            }
            // The answer to the write of an earlier row was lost: a turn that took this one would remove that one too.
            if entry.known.is_some() && seq != entry.seen + 1 {
                return Delivery::Gap;
            }
            entry.seen = seq;
        }
        let wakes = match entry.phase {
            Phase::Idle => true,
            Phase::Stalled => message.is_termination(),
            Phase::Loading | Phase::Held | Phase::Queued | Phase::Running(_) => false,
        };
        entry.pending.push_back(message);
        if wakes {
            self.enqueue(key);
            return Delivery::Ready;
        }
        Delivery::Held
    }

    fn enqueue(&mut self, key: InstanceKey) {
        if let Some(entry) = self.entries.get_mut(&key) {
            let before = std::mem::replace(&mut entry.phase, Phase::Queued);
            self.stalled -= usize::from(matches!(before, Phase::Stalled));
            self.idle.pop(&key);
            self.ready.push_back(key);
        }
    }

    /// Makes an idle or stalled instance ready; one that is running gets another turn. True when it is ready now.
    pub(super) fn wake(&mut self, key: InstanceKey) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else { return false };
        match entry.phase {
            Phase::Idle | Phase::Stalled => {
                self.enqueue(key);
                true
            }
            Phase::Running(_) => {
                entry.again = true;
                false
            }
            Phase::Loading | Phase::Held | Phase::Queued => false,
        }
    }

    /// Lets a suspect run. False when it is gone.
    pub(super) fn release(&mut self, key: InstanceKey) -> bool {
        let held = self.entries.get(&key).is_some_and(|entry| matches!(entry.phase, Phase::Held));
        if held {
            self.enqueue(key);
        }
        held
    }

    /// How many instances wait for a worker, at most.
    pub(super) fn ready(&self) -> usize {
        self.ready.len()
    }

    /// How many instances are in memory because they have something to do.
    pub(super) fn busy(&self) -> usize {
        self.entries.len() - self.idle.len() - self.stalled
    }

    /// The id of an instance in memory.
    pub(super) fn id_of(&self, key: InstanceKey) -> Option<InstanceId> {
        self.entries.get(&key)?.known.as_ref().map(|known| known.header.instance.clone())
    }

    /// The header of an instance in memory.
    pub(super) fn header_of(&self, key: InstanceKey) -> Option<Arc<ExecutionHeader>> {
        self.entries.get(&key)?.known.as_ref().map(|known| Arc::clone(&known.header))
    }

    /// The key of an instance in memory.
    pub(super) fn key_of(&self, id: &InstanceId) -> Option<InstanceKey> {
        self.keys.get(id).copied()
    }

    /// Begins to bring an instance into memory, with a message or because its time has come.
    pub(super) fn begin_load(&mut self, key: InstanceKey, message: Option<Message>, due: bool) -> Load {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.due |= due;
            if !matches!(entry.phase, Phase::Loading) {
                return Load::Present(message);
            }
            entry.pending.extend(message);
            return Load::OnItsWay;
        }
        let pending = message.into_iter().collect();
        let entry = Entry { due, ..Entry::new(Phase::Loading, None, pending) };
        self.entries.insert(key, entry);
        Load::Begun
    }

    /// Ends the loading of an instance: `unread` are the messages of its inbox.
    pub(super) fn loaded(&mut self, known: Known, unread: Vec<Message>, now: Timestamp, suspect: bool) -> AfterLoad {
        let key = known.standing.key;
        let Some(entry) = self.entries.get_mut(&key) else { return AfterLoad::Resting };
        let last = unread.iter().rev().find_map(|message| message.origin.inbox_seq());
        entry.seen = last.unwrap_or(known.standing.consumed);
        let mut arrived = std::mem::take(&mut entry.pending);
        arrived.retain(|message| message.origin.is_of(known.header.generation));
        let waits = known.awaits_start(now) && !entry.due;
        // One whose end comes before its time is started for that.
        if known.standing.history_len == 0 && (!waits || unread.iter().any(Message::is_termination)) {
            entry.pending.push_back(start_message(&known.header, now));
        }
        entry.pending.extend(unread);
        entry.gap |= entry.add_arrived(arrived);
        self.keys.insert(known.header.instance.clone(), key);
        let parks = known.standing.is_suspended || waits;
        entry.known = Some(known);
        let busy = entry.can_run(now);
        if busy && suspect {
            entry.phase = Phase::Held;
        } else if busy {
            self.enqueue(key);
        } else if parks {
            return AfterLoad::Parked(self.park(key));
        } else {
            self.settle(key);
        }
        if busy { AfterLoad::Busy } else { AfterLoad::Resting }
    }

    /// True, once, when the inbox of an instance in memory must be read again.
    pub(super) fn take_gap(&mut self, key: InstanceKey) -> bool {
        self.entries.get_mut(&key).is_some_and(|entry| std::mem::take(&mut entry.gap))
    }

    /// Takes an instance out of memory that cannot make use of a turn, and gives the messages that have no place in its inbox.
    fn park(&mut self, key: InstanceKey) -> Vec<Message> {
        let mut unread = None;
        if self.is_shared
            && let Some(Entry { known: Some(known), seen, .. }) = self.entries.get(&key)
        {
            if *seen == known.standing.consumed {
                let known = known.clone();
                self.give_up(&known);
            } else {
                unread = Some(*seen);
            }
        }
        let mut pending = self.remove(key).unwrap_or_default();
        self.parked.extend(unread.map(|seen| (key, seen)));
        pending.retain(|message| matches!(message.origin, Origin::Activity { .. } | Origin::Timer(_)));
        pending
    }

    /// Forgets an instance. Its rows are untouched.
    pub(super) fn remove(&mut self, key: InstanceKey) -> Option<Vec<Message>> {
        self.idle.pop(&key);
        if !self.parked.is_empty() {
            self.parked.remove(&key);
        }
        let entry = self.entries.remove(&key)?;
        if self.is_shared {
            let received = match &entry.phase {
                Phase::Running(turn) => turn.received.as_slice(),
                _ => &[],
            };
            self.unheard.extend(ownership::results(key, received.iter().chain(&entry.pending)));
        }
        self.stalled -= usize::from(matches!(entry.phase, Phase::Stalled));
        if let Some(known) = entry.known
            && self.keys.get(&known.header.instance) == Some(&key)
        {
            self.keys.remove(&known.header.instance);
        }
        Some(entry.pending.into())
    }

    /// Gives the next turn to a worker, if no other waits.
    pub(super) fn take_only_turn(&mut self, limit: usize, now: Timestamp) -> Option<TurnWork> {
        if self.ready.len() == 1 { self.take_turn(limit, now) } else { None }
    }

    /// Gives the next turn to a worker.
    pub(super) fn take_turn(&mut self, limit: usize, now: Timestamp) -> Option<TurnWork> {
        loop {
            let key = self.ready.pop_front()?;
            let Some(entry) = self.entries.get_mut(&key) else { continue };
            let (Phase::Queued, Some(known)) = (&entry.phase, &entry.known) else { continue };
            let taken = entry.batch(limit);
            let received: Vec<_> = entry.pending.drain(..taken).collect();
            let events = received.iter().map(|message| message.event.clone()).collect();
            let time = now.max(known.standing.turn_time.next_tick());
            let token = self.next_token;
            self.next_token += 1;
            let work = TurnWork {
                lease: TurnLease { key, token },
                header: Arc::clone(&known.header),
                epoch: known.standing.epoch,
                prior_turn: known.standing.turn,
                input: TurnInput { turn: known.standing.turn + 1, time, events },
            };
            entry.phase = Phase::Running(Box::new(Turn { token, time, received }));
            return Some(work);
        }
    }

    /// The instance and the turn of a lease that holds.
    pub(super) fn leased(&self, lease: &TurnLease) -> Option<(&Known, &Turn)> {
        let entry = self.entries.get(&lease.key)?;
        match (&entry.known, &entry.phase) {
            (Some(known), Phase::Running(turn)) if turn.token == lease.token => Some((known, turn)),
            _ => None,
        }
    }

    /// Takes what the leased turn received, for its commit: either it happens, or the instance is read from its rows again.
    pub(super) fn take_received(&mut self, lease: &TurnLease) -> Vec<Message> {
        match self.entries.get_mut(&lease.key).map(|entry| &mut entry.phase) {
            Some(Phase::Running(turn)) if turn.token == lease.token => std::mem::take(&mut turn.received),
            _ => Vec::new(),
        }
    }

    /// The leased turn is durable. A finished instance is forgotten.
    pub(super) fn committed(&mut self, commit: &TurnCommit) -> AfterTurn {
        let key = commit.key;
        if commit.status.is_terminal() {
            let mut left = self.remove(key).unwrap_or_default();
            left.retain(|message| message.origin.is_volatile());
            return AfterTurn::Finished(left);
        }
        let Some(entry) = self.entries.get_mut(&key) else { return AfterTurn::Resting };
        entry.history = None;
        let Some(known) = &mut entry.known else { return AfterTurn::Resting };
        if self.is_shared && commit.cancels_calls() {
            // Their rows are gone, and the next turn with such a result would be refused.
            entry.pending.retain(|message| !message.origin.is_ended_by(commit));
        }
        let standing = &mut known.standing;
        standing.turn = commit.turn;
        standing.turn_time = commit.turn_time;
        standing.history_len += commit.history.len() as u64;
        standing.consumed = standing.consumed.max(commit.inbox_through);
        standing.is_suspended = commit.status == RuntimeStatus::Suspended;
        if let Some(next) = &commit.next {
            standing.history_len = 0;
            let left = entry.begin_next(next, commit.turn_time);
            self.rest(key);
            return AfterTurn::Continues(left);
        }
        let parks = entry.known.as_ref().is_some_and(|known| known.standing.is_suspended);
        if parks && !entry.can_run(commit.turn_time) {
            return AfterTurn::Parked(self.park(key));
        }
        if self.rest(key) { AfterTurn::Ready } else { AfterTurn::Resting }
    }

    /// The leased turn ended without a commit, since nothing happened in it. True when the instance has more to do.
    pub(super) fn rest(&mut self, key: InstanceKey) -> bool {
        let busy = self.entries.get_mut(&key).is_some_and(|entry| {
            entry.stalls = false;
            std::mem::take(&mut entry.again) || !entry.pending.is_empty()
        });
        if busy {
            self.enqueue(key);
        } else {
            self.settle(key);
        }
        busy
    }

    /// The leased turn cannot be run for now: its messages go back. Gives those that only memory holds, whose results must
    /// be stored, and whether the instance is ready all the same, because a termination waits for it.
    pub(super) fn stall(&mut self, lease: &TurnLease) -> (Vec<Message>, bool) {
        let Some(entry) = self.entries.get_mut(&lease.key) else { return Default::default() };
        if let Phase::Running(turn) = std::mem::replace(&mut entry.phase, Phase::Stalled) {
            for message in turn.received.into_iter().rev() {
                entry.pending.push_front(message);
            }
        }
        self.stalled += 1;
        entry.stalls = true;
        let (volatile, kept): (Vec<_>, Vec<_>) =
            entry.pending.drain(..).partition(|message| message.origin.is_volatile());
        entry.pending = kept.into();
        let ready = entry.pending.iter().any(Message::is_termination);
        if ready {
            self.enqueue(lease.key);
        }
        (volatile, ready)
    }

    /// Results of activities that only memory holds, at the end of the engine.
    pub(super) fn take_volatile(&mut self) -> Vec<(InstanceKey, ExecutionId, Message)> {
        let mut volatile = Vec::new();
        for (key, entry) in &mut self.entries {
            let Some(known) = &entry.known else { continue };
            let of_activities = entry.pending.drain(..).filter(|message| message.origin.is_volatile());
            volatile.extend(of_activities.map(|message| (*key, known.header.execution.clone(), message)));
        }
        volatile
    }

    /// Lets an instance rest, and forgets the one that has rested longest when there are too many.
    fn settle(&mut self, key: InstanceKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        entry.phase = Phase::Idle;
        entry.history = None;
        entry.pending.shrink_to_fit();
        if let Some((evicted, ())) = self.idle.push(key, ())
            && evicted != key
        {
            let known = self.entries.get(&evicted).and_then(|entry| entry.known.as_ref());
            if let Some(known) = known.filter(|_| self.is_shared).cloned() {
                self.give_up(&known);
            }
            self.remove(evicted);
        }
    }
}
