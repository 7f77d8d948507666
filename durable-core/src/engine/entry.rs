//! One instance in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use super::apply::Standing;
use super::message::{Message, Origin};
use super::stored;
use crate::backend::{HistoryRow, NextExecution};
use crate::history::{EventKind, ExecutionHeader, decode_event};
use crate::model::Timestamp;

/// What is known of an instance that is not being loaded.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) header: Arc<ExecutionHeader>,
    pub(super) standing: Standing,
}

impl Known {
    /// True when it is to start later than `now`.
    pub(super) fn awaits_start(&self, now: Timestamp) -> bool {
        self.standing.turn == 0 && self.header.scheduled_start.is_some_and(|at| at > now)
    }
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Its row is on its way.
    Loading,
    /// Nothing to do.
    Idle,
    /// Has something to do, and may have been the end of its last owner: it runs when it is released.
    Held,
    /// Has something to do and waits for a worker.
    Queued,
    /// A worker runs its turn.
    Running(Box<Turn>),
    /// Its code cannot go on for now.
    Stalled,
}

/// A turn that a worker holds.
#[derive(Debug)]
pub(super) struct Turn {
    pub(super) token: u64,
    pub(super) time: Timestamp,
    pub(super) received: Vec<Message>,
}

#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Option<Known>,
    pub(super) phase: Phase,
    pub(super) pending: VecDeque<Message>,
    /// The last row of the inbox that is known here.
    pub(super) seen: u64,
    /// Something asked for a turn while one was running.
    pub(super) again: bool,
    /// The last turn stalled.
    pub(super) stalls: bool,
    /// The time of its scheduled start has come.
    pub(super) due: bool,
    /// Its inbox must be read again.
    pub(super) gap: bool,
    /// Its row is being read without a claim. One that has come, gone and is wanted again meanwhile is read anew.
    pub(super) is_read: bool,
    /// Its history, when it was read with its row and no turn was committed since.
    pub(super) history: Option<Vec<HistoryRow>>,
}

impl Entry {
    pub(super) fn new(phase: Phase, known: Option<Known>, pending: VecDeque<Message>) -> Self {
        let seen = pending.iter().filter_map(|message| message.origin.inbox_seq()).max().unwrap_or(0);
        Self {
            known,
            phase,
            pending,
            seen,
            again: false,
            stalls: false,
            due: false,
            gap: false,
            is_read: false,
            history: None,
        }
    }

    /// True when it can make use of a turn: it has something to do, is not paused, and its time has come. To end, or to end a
    /// pause, it needs neither.
    pub(super) fn can_run(&self, now: Timestamp) -> bool {
        let Some(known) = &self.known else { return false };
        if known.standing.is_suspended {
            return self.pending.iter().any(Message::moves_paused);
        }
        if known.awaits_start(now) && !self.due {
            return self.pending.iter().any(Message::is_termination);
        }
        !self.pending.is_empty()
    }

    /// Adds what arrived while the row was being read, and may be among what was read. True when the inbox must be read again,
    /// because something is missing in between.
    pub(super) fn add_arrived(&mut self, arrived: VecDeque<Message>) -> bool {
        let mut gap = false;
        for message in arrived {
            match message.origin.inbox_seq() {
                Some(seq) if seq <= self.seen => continue,
                Some(seq) if seq != self.seen + 1 => {
                    gap = true;
                    continue;
                }
                Some(seq) => self.seen = seq,
                None => {}
            }
            self.pending.push_back(message);
        }
        gap
    }

    /// The instance goes on in another execution, which finds first what the last one left. Gives the results of the last
    /// execution's activities, which mean nothing to this one.
    pub(super) fn begin_next(&mut self, next: &NextExecution, now: Timestamp) -> Vec<Message> {
        let Some(known) = &mut self.known else { return Vec::new() };
        known.header = stored::next_header(&known.header, next);
        let carried = next.carried.iter().filter_map(|row| {
            let event = decode_event(row.event.clone(), &known.header).ok()?;
            Some(Message { time: row.time, event, origin: Origin::Inbox(row.seq) })
        });
        let before = [start_message(&known.header, now)].into_iter().chain(carried);
        let pending = std::mem::take(&mut self.pending);
        let (left, mut pending): (Vec<_>, Vec<_>) =
            pending.into_iter().partition(|message| message.origin.is_volatile());
        // The store has dropped the results in the inbox, too.
        pending.retain(|message| matches!(message.origin, Origin::Inbox(_)) && !message.is_result());
        if pending.is_empty() {
            known.standing.consumed = known.standing.consumed.max(self.seen);
        }
        self.pending = before.chain(pending).collect();
        left
    }

    /// How many messages the next turn takes. A termination needs no code: an instance that cannot go on takes everything
    /// up to it, however much that is.
    pub(super) fn batch(&self, limit: usize) -> usize {
        let ended = || self.pending.iter().position(Message::is_termination);
        let termination = if self.stalls { ended().map_or(0, |at| at + 1) } else { 0 };
        self.pending.len().min(limit.max(1)).max(termination)
    }
}

/// What an execution receives first.
pub(super) fn start_message(header: &Arc<ExecutionHeader>, now: Timestamp) -> Message {
    let event = EventKind::ExecutionStarted(Arc::clone(header));
    Message { time: now, event, origin: Origin::Start }
}
