//! What is ours: taking instances over, giving them up, and losing them.

use tokio::sync::oneshot;

use super::group::{Patience, shut_down};
use super::instances::{Left, TakeIn};
use super::lifecycle::RECOVERY_PAGE;
use super::local::{Closed, LocalEngine};
use super::message::{Message, Origin};
use crate::backend::{
    BackendError, Claimed, Committed, InstanceKey, NewTimer, Notice, Release, TimerRow, WorkerId, Write, Written,
};
use crate::history::decode_event;
use crate::model::InstanceId;

impl LocalEngine {
    /// Claims an instance that is being loaded.
    pub(super) fn claim(&self, key: InstanceKey) {
        let engine = self.clone();
        let worker = self.inner.worker();
        let write = Write::Claim { key, worker, runs: self.inner.catalogue.lock().orchestrators() };
        self.inner.submit(write, Patience::Endless, move |_, written| match written {
            Ok(Written::Claimed(claimed)) => engine.take_in(*claimed, worker),
            Ok(written @ (Written::Owned { .. } | Written::Unfit)) => {
                engine.inner.instances.lock().remove(key);
                engine.not_ours(key, &written);
            }
            // Calls that nobody waits for outlive their instance.
            Ok(Written::Finished { .. }) => engine.unload(key),
            _ => engine.forget(key),
        });
    }

    /// Reads the inbox of an instance again: it may have got messages without our knowledge.
    pub(super) fn look_into(&self, key: InstanceKey) {
        let engine = self.clone();
        let worker = self.inner.worker();
        let write = Write::Claim { key, worker, runs: self.inner.catalogue.lock().orchestrators() };
        self.inner.submit(write, Patience::Endless, move |_, written| match written {
            Ok(Written::Claimed(claimed)) => engine.take_in(*claimed, worker),
            Ok(written @ (Written::Owned { .. } | Written::Unfit)) => engine.not_ours(key, &written),
            _ => {}
        });
    }

    /// Tells whom it concerns that there is something to do for an instance that this worker does not get.
    fn not_ours(&self, key: InstanceKey, written: &Written) {
        self.disown(key);
        match written {
            Written::Owned { worker } => self.tell(Notice::Messages(*worker, vec![key])),
            _ => self.tell(Notice::Work { instances: true, calls: false }),
        }
    }

    /// The store says that this worker, as it was when it asked, owns an instance.
    fn take_in(&self, claimed: Claimed, worker: WorkerId) {
        let (key, epoch) = (claimed.instance.key, claimed.instance.epoch);
        if worker != self.inner.worker() {
            // Nobody living owns it now, so it is found like any other.
            self.inner.instances.lock().remove(key);
            return;
        }
        let begun = self.inner.instances.lock().begin_take_in(key, epoch);
        match begun {
            TakeIn::Begun => return self.loaded(claimed),
            TakeIn::Later => return,
            TakeIn::Present => {}
        }
        let header = self.inner.instances.lock().header_of(key);
        let Some(header) = header else { return };
        for row in claimed.inbox {
            if let Ok(event) = decode_event(row.event, &header) {
                let message = Message { time: row.time, event, origin: Origin::Inbox(row.seq) };
                self.message_is_durable(key, None, message);
            }
        }
    }

    /// Takes over one page of what is ready in the store. Gives the last key when there may be more after it.
    pub(super) async fn take_ready(&self, after: InstanceKey) -> Result<Option<InstanceKey>, BackendError> {
        let Ok(backend) = self.inner.backend() else { return Ok(None) };
        let runs = self.inner.catalogue.lock().orchestrators();
        if backend.ready(self.inner.worker(), after, 1, runs).await?.is_empty() {
            return Ok(None);
        }
        drop(backend);
        let mut again = false;
        loop {
            match self.claim_ready(after, again).await {
                // The committer makes a pause before it tries anything else.
                Err(error) if error.is_retryable() && !self.inner.closed.is_cancelled() => again = true,
                taken => return taken,
            }
        }
    }

    async fn claim_ready(&self, after: InstanceKey, again: bool) -> Result<Option<InstanceKey>, BackendError> {
        let worker = self.inner.worker();
        let runs = self.inner.catalogue.lock().orchestrators();
        let write = Write::ClaimReady { worker, after, limit: RECOVERY_PAGE, runs, again };
        let (answer, taken) = oneshot::channel();
        let engine = self.clone();
        self.inner.submit(write, Patience::Once, move |_, written| {
            let taken = written.map(|written| {
                let Written::Taken(taken) = written else { return None };
                let last = taken.last().map(|claimed| claimed.instance.key);
                let more = taken.len() >= RECOVERY_PAGE;
                taken.into_iter().for_each(|claimed| engine.take_in(claimed, worker));
                last.filter(|_| more)
            });
            let _ = answer.send(taken);
        });
        taken.await.unwrap_or_else(|_gone| Err(shut_down()))
    }

    /// The timers of an instance that was just taken over: whatever was known of them from an earlier time counts no more.
    pub(super) fn reset_timers(&self, key: InstanceKey, timers: &[NewTimer]) {
        let fired = self.inner.instances.lock().keep_timers(key, timers);
        let mut wheel = self.inner.timers.lock();
        wheel.remove_all(key);
        for timer in timers.iter().filter(|timer| !fired.contains(&timer.call)) {
            wheel.add(TimerRow { fire_at: timer.fire_at, key, call: timer.call });
        }
        drop(wheel);
        self.inner.timers_changed.notify_one();
    }

    /// Gives up instances that went out of memory, so that whoever gets something for them may take them over.
    pub(super) fn release(&self, evicted: Vec<(InstanceId, Release)>) {
        if evicted.is_empty() {
            return;
        }
        let watched =
            |(id, release): (InstanceId, Release)| Release { watched: self.inner.waiters.wait_for(&id), ..release };
        let engine = self.clone();
        let write = Write::Release(evicted.into_iter().map(watched).collect());
        self.inner.submit(write, Patience::Endless, move |write, written| {
            let Write::Release(releases) = write else { return };
            let is_closing = engine.inner.is_closing();
            let mut instances = engine.inner.instances.lock();
            let wanted: Vec<_> = releases.iter().filter(|release| instances.left(release)).collect();
            drop(instances);
            wanted.iter().filter(|_| !is_closing).for_each(|release| engine.claim(release.key));
            if let Ok(Written::Kept(kept)) = written {
                kept.into_iter().for_each(|key| engine.load(key, None));
            }
            if is_closing || releases.iter().any(|release| release.inbox_seq.is_none()) {
                engine.tell(Notice::Work { instances: true, calls: false });
            }
        });
    }

    /// Leaves to others what this worker has and does not run at this moment. What it runs comes to its end here.
    pub(super) fn leave(&self) {
        let Left { releases, volatile } = self.inner.instances.lock().leave();
        for (key, execution, message) in volatile {
            self.store_message(key, &execution, message);
        }
        self.release(releases);
        let back = self.inner.activities.lock().take_waiting();
        self.hand_back(back);
    }

    /// Forgets an instance that another worker owns. Calls of it that run here go on: their claims hold.
    pub(super) fn disown(&self, key: InstanceKey) {
        let id = self.inner.instances.lock().disown(key);
        let Some(id) = id else { return };
        self.inner.timers.lock().remove_all(key);
        self.inner.made_room();
        self.end_trial(key);
        // They have to ask the store to be told.
        self.inner.waiters.changed(&id);
    }

    /// Puts a hint to other workers on its way.
    pub(super) fn tell(&self, notice: Notice) {
        if let Some(sharing) = &self.inner.sharing {
            sharing.outbox.put(notice);
        }
    }

    /// Tells those who wait at other workers that something happened to an instance.
    pub(super) fn tell_watchers(&self, reached: &Committed, id: &InstanceId) {
        if reached.watched {
            self.tell(Notice::Changed(vec![id.as_str().to_owned()]));
        }
    }

    /// True for an instance that another living worker owns. It gets a hint, and nothing is left here.
    pub(super) fn is_of_another(&self, key: InstanceKey, owner: Option<WorkerId>) -> bool {
        let Some(owner) = owner.filter(|owner| *owner != self.inner.worker()) else { return false };
        self.disown(key);
        self.tell(Notice::Messages(owner, vec![key]));
        true
    }

    /// The store, for as long as it is there.
    pub(super) fn open_store(&self) -> Option<std::sync::Arc<dyn crate::backend::Backend>> {
        self.inner.backend().map_err(|Closed| ()).ok()
    }
}
