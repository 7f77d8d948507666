//! Hints from and to the other workers of a shared store. They are never the truth: what gets lost is found by a heartbeat.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use super::instances::Presence;
use super::lifecycle::pause;
use super::local::LocalEngine;
use super::message::{Message, Origin};
use crate::backend::{Backend, InstanceKey, Notice, Notices, Unread};
use crate::history::{ExecutionHeader, decode_event};
use crate::model::InstanceId;

/// How long hints are gathered after some have been sent.
const PACE: Duration = Duration::from_millis(10);

/// What was heard at one time.
#[derive(Debug, Default)]
struct Heard {
    messages: BTreeSet<InstanceKey>,
    gone: Vec<InstanceKey>,
    instances: bool,
    calls: bool,
    changed: Vec<String>,
    missed: bool,
}

/// Sends what is to be told, at once when it was quiet and gathered otherwise.
pub(super) async fn send(engine: LocalEngine) {
    let Some(sharing) = &engine.inner.sharing else { return };
    let closed = &engine.inner.closed;
    loop {
        tokio::select! {
            () = sharing.outbox.filled.notified() => {}
            () = closed.cancelled() => return,
        }
        let Some(store) = engine.open_store() else { return };
        if let Some(shared) = store.shared() {
            tokio::select! {
                () = shared.notify(sharing.outbox.take()) => {}
                () = closed.cancelled() => return,
            }
        }
        drop(store);
        tokio::select! {
            () = tokio::time::sleep(PACE) => {}
            () = closed.cancelled() => return,
        }
    }
}

/// Listens for what others tell, under one name after the other.
pub(super) async fn listen(engine: LocalEngine) {
    let inner = &engine.inner;
    let mut is_told = false;
    while !inner.closed.is_cancelled() {
        let worker = inner.worker();
        let Some(store) = engine.open_store() else { return };
        let Some(shared) = store.shared() else { return };
        let listening = tokio::select! {
            listening = shared.listen(worker) => listening,
            () = inner.closed.cancelled() => return,
        };
        drop(store);
        let was_told = std::mem::replace(&mut is_told, listening.is_err());
        match listening {
            Ok(notices) => {
                // What was told before is found by looking.
                engine.look_at_everything();
                hear(&engine, notices, || inner.worker() != worker).await;
            }
            Err(error) => {
                if !was_told {
                    tracing::warn!(%error, "the store does not let this worker listen; heartbeats find what others tell");
                }
                pause(inner).await;
            }
        }
    }
}

/// Acts on what is heard, until the store closes or this worker has become another one.
async fn hear(engine: &LocalEngine, mut notices: Notices, is_over: impl Fn() -> bool) {
    let Some(sharing) = &engine.inner.sharing else { return };
    loop {
        let renamed = sharing.renamed.notified();
        tokio::pin!(renamed);
        renamed.as_mut().enable();
        if is_over() {
            return;
        }
        let first = tokio::select! {
            first = notices.next() => first,
            () = renamed => continue,
            () = engine.inner.closed.cancelled() => return,
        };
        let Some(first) = first else { return };
        let mut heard = Heard::default();
        let mut next = Some(first);
        while let Some(notice) = next {
            heard.add(notice);
            next = notices.try_next();
        }
        engine.heed(heard).await;
    }
}

impl Heard {
    fn add(&mut self, notice: Notice) {
        match notice {
            Notice::Messages(_, keys) => self.messages.extend(keys),
            Notice::Gone(_, keys) => self.gone.extend(keys),
            Notice::Work { instances, calls } => {
                self.instances |= instances;
                self.calls |= calls;
            }
            Notice::Changed(ids) => self.changed.extend(ids),
            Notice::Missed => self.missed = true,
        }
    }
}

impl LocalEngine {
    async fn heed(&self, heard: Heard) {
        let Heard { messages, gone, instances, calls, changed, missed } = heard;
        if missed {
            self.look_at_everything();
        }
        for key in gone {
            self.wake_waiters_of(key);
            self.forget(key);
        }
        for id in changed.iter().filter_map(|id| InstanceId::new(id).ok()) {
            self.inner.waiters.changed(&id);
        }
        self.look_for_work(instances, calls);
        self.fetch(messages.into_iter().map(|key| (key, None)).collect()).await;
    }

    /// Hints may have got lost.
    pub(super) fn look_at_everything(&self) {
        self.inner.waiters.all();
        self.look_for_work(true, true);
        if let Some(sharing) = &self.inner.sharing {
            sharing.missed.notify_one();
        }
    }

    /// There may be something to take in the store.
    pub(super) fn look_for_work(&self, instances: bool, calls: bool) {
        if instances {
            self.look_for_ready();
        }
        if calls {
            self.inner.activities.lock().note_surplus();
            self.refill_activities();
        }
    }

    /// Instances of ours may have messages, up to the given one where that is known: reads those that are not here yet.
    pub(super) async fn fetch(&self, told: Vec<(InstanceKey, Option<u64>)>) {
        let mut after = Vec::new();
        let mut read_for = HashMap::new();
        for (key, last) in told {
            let mut instances = self.inner.instances.lock();
            match instances.presence(key) {
                Presence::Here(seen) if last.is_none_or(|last| last > seen) => {
                    after.push((key, seen));
                    read_for.insert(key, instances.header_of(key));
                }
                Presence::Parked(seen) if last == Some(seen) => {}
                Presence::Here(_) => {}
                Presence::Loading => instances.look_again(key),
                Presence::Absent | Presence::Parked(_) => {
                    drop(instances);
                    self.load(key, None);
                }
            }
        }
        if after.is_empty() {
            return;
        }
        let Some(store) = self.open_store() else { return };
        let Some(shared) = store.shared() else { return };
        match shared.unread(after).await {
            Ok(unread) => {
                for unread in unread {
                    if let Some(Some(header)) = read_for.get(&unread.key) {
                        self.unread(unread, header);
                    }
                }
            }
            Err(error) => tracing::warn!(%error, "the store does not give messages; the next heartbeat looks for them"),
        }
    }

    /// Takes in a message that was read while the instance had this header.
    fn unread(&self, Unread { key, row }: Unread, read_for: &Arc<ExecutionHeader>) {
        let header = self.inner.instances.lock().header_of(key);
        let Some(header) = header else { return };
        if header.execution != read_for.execution {
            // It may be about a task of the execution that has ended meanwhile.
            return self.look_into(key);
        }
        match decode_event(row.event, &header) {
            Ok(event) => {
                let message = Message { time: row.time, event, origin: Origin::Inbox(row.seq) };
                self.message_is_durable(key, None, message);
            }
            Err(error) => tracing::error!(%error, "a stored message cannot be read"),
        }
    }

    fn wake_waiters_of(&self, key: InstanceKey) {
        let id = self.inner.instances.lock().id_of(key);
        if let Some(id) = id {
            self.inner.waiters.changed(&id);
        }
    }

    /// What this worker owned is there for others now.
    pub(super) async fn say_goodbye(&self, store: &dyn Backend) {
        if let (Some(sharing), Some(shared)) = (&self.inner.sharing, store.shared()) {
            sharing.outbox.put(Notice::Work { instances: true, calls: true });
            shared.notify(sharing.outbox.take()).await;
        }
    }
}
