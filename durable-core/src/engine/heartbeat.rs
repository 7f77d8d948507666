//! Showing a shared store that this worker lives, and looking around at the same time.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::clock::Clock;
use super::lifecycle::worker_name;
use super::local::LocalEngine;
use super::sharing::{BEATS_OF_A_LEASE, Sharing};
use super::timers::Timers;
use crate::backend::{BackendError, Heartbeat, InstanceKey, Pulse, SharedBackend};
use crate::model::InstanceId;

/// How many of our instances one heartbeat names.
const OWN: usize = 1_000;

/// How many of the instances that somebody waits for one heartbeat asks about.
const WATCHED: usize = 1_000;

/// Where the looking around stands: what one heartbeat has no room for, the next one does.
#[derive(Debug, Default)]
struct Round {
    after: InstanceKey,
    watched: usize,
    failures: u32,
    /// It has been told that the lease had ended.
    is_told: bool,
}

/// Beats until the engine closes.
pub(super) async fn beat(engine: LocalEngine) {
    let inner = &engine.inner;
    let Some(sharing) = &inner.sharing else { return };
    let interval = inner.options.heartbeat_interval;
    let mut round = Round::default();
    loop {
        let soon = if round.failures == 0 { interval } else { interval / 6 };
        tokio::select! {
            () = sleep(&*inner.clock, soon) => {}
            () = sharing.missed.notified() => {}
            () = inner.closed.cancelled() => return,
        }
        let Some(store) = engine.open_store() else { return };
        let Some(shared) = store.shared() else { return };
        tokio::select! {
            () = engine.beat_once(sharing, shared, &mut round) => {}
            () = inner.closed.cancelled() => return,
        }
    }
}

async fn sleep(clock: &dyn Clock, time: Duration) {
    let at = clock.now().saturating_add(time);
    while clock.now() < at {
        clock.sleep_until(at).await;
    }
}

impl LocalEngine {
    async fn beat_once(&self, sharing: &Sharing, shared: &dyn SharedBackend, round: &mut Round) {
        let inner = &self.inner;
        let lease = inner.options.heartbeat_interval * BEATS_OF_A_LEASE;
        let (orchestrators, activities) = {
            let catalogue = inner.catalogue.lock();
            (catalogue.orchestrators(), catalogue.activities())
        };
        let heartbeat = Heartbeat {
            worker: inner.worker(),
            lease,
            after: round.after,
            limit: OWN,
            watching: inner.waiters.some(round.watched, WATCHED),
            orchestrators,
            activities,
        };
        round.watched = if heartbeat.watching.len() == WATCHED { round.watched + WATCHED } else { 0 };
        // Counted from here: the store may take it later, and never earlier.
        let sent = inner.clock.elapsed();
        match shared.heartbeat(heartbeat).await {
            Ok(Some(pulse)) => {
                if round.failures > 0 {
                    tracing::info!(attempts = round.failures + 1, "the store takes heartbeats again");
                }
                round.failures = 0;
                round.after = match pulse.own.last() {
                    Some((last, _)) if pulse.own.len() >= OWN => *last,
                    _ => InstanceKey::default(),
                };
                if !inner.holds_lease() {
                    if !std::mem::replace(&mut round.is_told, true) {
                        tracing::warn!(
                            "this worker was silent for longer than its lease; others may have taken what it owned"
                        );
                    }
                    self.doubt_results(sharing);
                }
                sharing.clock.adjust(pulse.now, sent, inner.clock.elapsed());
                sharing.lease.set(sent + lease);
                if inner.holds_lease() {
                    round.is_told = false;
                } else {
                    // The answer came so late that its lease has ended already: nothing runs here before the next one.
                    sharing.missed.notify_one();
                }
                self.hand_back_unheard();
                self.feel(pulse).await;
            }
            Ok(None) => match self.rejoin(sharing, lease).await {
                Ok(()) => *round = Round::default(),
                Err(error) => fail(round, &error),
            },
            Err(error) => fail(round, &error),
        }
    }

    /// Acts on what a heartbeat has found.
    async fn feel(&self, pulse: Pulse) {
        self.look_for_work(pulse.instances, pulse.calls);
        for id in pulse.ended.iter().filter_map(|id| InstanceId::new(id).ok()) {
            self.inner.waiters.changed(&id);
        }
        self.fetch(pulse.own.into_iter().map(|(key, last)| (key, Some(last))).collect()).await;
    }

    /// Calls that ran here and whose results went with an instance that others have now must run again. The store knows
    /// those of them that are over.
    fn hand_back_unheard(&self) {
        let calls = self.inner.instances.lock().take_unheard();
        self.hand_back(calls);
    }

    /// While this worker was silent, others may have run its calls, and told the results. What its own runs gave and no turn
    /// has consumed goes through the store, which takes one result of each call.
    fn doubt_results(&self, sharing: &Sharing) {
        let inner = &self.inner;
        sharing.first_safe_claim.store(inner.next_claim.load(Ordering::SeqCst), Ordering::SeqCst);
        let unstored = inner.instances.lock().take_unstored();
        for (key, execution, results) in unstored {
            inner.made_room();
            self.end_trial(key);
            results.into_iter().for_each(|message| self.store_message(key, &execution, message));
            self.load(key, None);
        }
    }

    /// The store does not know this worker any more: whatever it owned has others now. It begins anew as another one.
    async fn rejoin(&self, sharing: &Sharing, lease: Duration) -> Result<(), BackendError> {
        let inner = &self.inner;
        sharing.lease.set(Duration::ZERO);
        let Some(store) = self.open_store() else { return Ok(()) };
        let sent = inner.clock.elapsed();
        let attached = store.attach(&worker_name(&inner.hub), lease).await?;
        tracing::warn!(
            before = inner.worker().0,
            now = attached.worker.0,
            "this worker was given up for dead; it begins anew"
        );
        // From here on, no answer to an earlier write brings anything into memory.
        inner.set_worker(attached.worker);
        inner.instances.lock().clear();
        inner.suspects.lock().clear();
        inner.activities.lock().clear();
        *inner.timers.lock() = Timers::default();
        inner.timers_changed.notify_one();
        if let Some(now) = attached.now {
            sharing.clock.adjust(now, sent, inner.clock.elapsed());
        }
        sharing.lease.set(sent + lease);
        sharing.renamed.notify_waiters();
        self.look_at_everything();
        Ok(())
    }
}

fn fail(round: &mut Round, error: &BackendError) {
    round.failures += 1;
    if round.failures == 1 {
        tracing::error!(%error, source = ?std::error::Error::source(error), "the store does not take a heartbeat, trying again");
    }
}
