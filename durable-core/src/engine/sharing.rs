//! What an engine keeps while it shares its store with others: its lease, and what it has to tell them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::AtomicI64;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::clock::{Clock, StoreClock};
use crate::backend::{InstanceKey, Notice, WorkerId};

/// How many heartbeats a lease lasts.
pub(super) const BEATS_OF_A_LEASE: u32 = 3;

/// The engine's part in a store that several share.
pub(super) struct Sharing {
    pub(super) clock: Arc<StoreClock>,
    pub(super) lease: Lease,
    /// Others may have run the calls of earlier claims: the store decides whose results count.
    pub(super) first_safe_claim: AtomicI64,
    pub(super) outbox: Outbox,
    /// Something may have been missed: the next heartbeat is due.
    pub(super) missed: Notify,
    /// The process is another worker from now on.
    pub(super) renamed: Notify,
}

impl Sharing {
    pub(super) fn new(clock: Arc<StoreClock>, lease_until: Duration) -> Self {
        let lease = Lease { until: Mutex::new(lease_until), renewed: Notify::new() };
        let first_safe_claim = AtomicI64::new(i64::MIN);
        Self {
            clock,
            lease,
            first_safe_claim,
            outbox: Outbox::default(),
            missed: Notify::new(),
            renamed: Notify::new(),
        }
    }
}

/// Until when others leave alone what is owned here, by a clock that goes on while the machine sleeps.
pub(super) struct Lease {
    until: Mutex<Duration>,
    renewed: Notify,
}

impl Lease {
    pub(super) fn is_held(&self, clock: &dyn Clock) -> bool {
        clock.elapsed() < *self.until.lock()
    }

    /// It lasts until then. Whoever waits for it looks again.
    pub(super) fn set(&self, until: Duration) {
        *self.until.lock() = until;
        self.renewed.notify_waiters();
    }

    /// Wakes whoever waits for it.
    pub(super) fn wake(&self) {
        self.renewed.notify_waiters();
    }

    /// Completes when it is held, or `given_up` says that nobody waits for it any more.
    pub(super) async fn held(&self, clock: &dyn Clock, given_up: impl Fn() -> bool) {
        loop {
            let renewed = self.renewed.notified();
            tokio::pin!(renewed);
            renewed.as_mut().enable();
            if self.is_held(clock) || given_up() {
                return;
            }
            renewed.await;
        }
    }
}

/// Hints to other workers that have not been sent yet, each once.
#[derive(Default)]
pub(super) struct Outbox {
    waiting: Mutex<Hints>,
    pub(super) filled: Notify,
}

#[derive(Default)]
struct Hints {
    messages: BTreeMap<WorkerId, BTreeSet<InstanceKey>>,
    gone: BTreeMap<WorkerId, BTreeSet<InstanceKey>>,
    instances: bool,
    calls: bool,
    changed: BTreeSet<String>,
}

impl Outbox {
    pub(super) fn put(&self, notice: Notice) {
        let mut hints = self.waiting.lock();
        match notice {
            Notice::Messages(to, keys) => hints.messages.entry(to).or_default().extend(keys),
            Notice::Gone(to, keys) => hints.gone.entry(to).or_default().extend(keys),
            Notice::Work { instances, calls } => {
                hints.instances |= instances;
                hints.calls |= calls;
            }
            Notice::Changed(ids) => hints.changed.extend(ids),
            Notice::Missed => {}
        }
        drop(hints);
        self.filled.notify_one();
    }

    /// Everything that waits.
    pub(super) fn take(&self) -> Vec<Notice> {
        let Hints { messages, gone, instances, calls, changed } = std::mem::take(&mut *self.waiting.lock());
        let mut notices = Vec::new();
        notices.extend(messages.into_iter().map(|(to, keys)| Notice::Messages(to, keys.into_iter().collect())));
        notices.extend(gone.into_iter().map(|(to, keys)| Notice::Gone(to, keys.into_iter().collect())));
        if instances || calls {
            notices.push(Notice::Work { instances, calls });
        }
        if !changed.is_empty() {
            notices.push(Notice::Changed(changed.into_iter().collect()));
        }
        notices
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hints_are_sent_once_however_often_they_are_given() {
        let outbox = Outbox::default();
        for key in [3, 1, 3] {
            outbox.put(Notice::Messages(WorkerId(7), vec![InstanceKey(key)]));
            outbox.put(Notice::Changed(vec!["a".to_owned()]));
            outbox.put(Notice::Work { instances: key == 1, calls: false });
        }
        let work = Notice::Work { instances: true, calls: false };
        let messages = Notice::Messages(WorkerId(7), vec![InstanceKey(1), InstanceKey(3)]);
        assert_eq!(outbox.take(), [messages, work, Notice::Changed(vec!["a".to_owned()])]);
        assert_eq!(outbox.take(), []);
    }
}
