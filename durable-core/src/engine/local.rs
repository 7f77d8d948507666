//! The engine in this process, as a work source.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::activities::{Activities, Waiting};
use super::apply::{Placement, Standing, Surroundings, apply};
use super::catalogue::Catalogue;
use super::clock::Clock;
use super::entry::Known;
use super::group::{Group, Patience, Pauses, shut_down};
use super::ids::IdSource;
use super::instances::Instances;
use super::loads::Loads;
use super::options::EngineOptions;
use super::retention::Ends;
use super::sharing::Sharing;
use super::source::{
    ActivityLease, ActivityWork, Rehearsal, SourceError, TurnLease, TurnTold, TurnWork, WorkOffer, WorkSource,
};
use super::stored::records;
use super::suspects::Suspects;
use super::timers::Timers;
use super::waiters::Waiters;
use crate::backend::{Backend, BackendError, InstanceKey, TurnCommit, WorkerId, Write, Written};
use crate::history::{ExecutionHeader, HistoryRecord};
use crate::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, TaskHubName, Version};
use crate::replay::{LeafResult, TurnOutcome};

/// The engine in this process. Clones share it.
#[derive(Clone)]
pub struct LocalEngine {
    pub(super) inner: Arc<Inner>,
}

pub(super) struct Inner {
    pub(super) hub: TaskHubName,
    /// Gone once the engine is closed.
    pub(super) backend: RwLock<Option<Arc<dyn Backend>>>,
    pub(super) worker: AtomicI64,
    /// The engine's part in a store that several share; `None` when the store is its own.
    pub(super) sharing: Option<Sharing>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn IdSource>,
    pub(super) options: EngineOptions,
    pub(super) group: Mutex<Option<Group>>,
    pub(super) committer: Mutex<Option<JoinHandle<()>>>,
    /// What looks into the store by itself.
    pub(super) watchers: Mutex<Vec<JoinHandle<()>>>,
    pub(super) instances: Mutex<Instances>,
    pub(super) suspects: Mutex<Suspects>,
    /// Instances to bring back into memory, in a store of one process.
    pub(super) loads: Loads,
    pub(super) turns_ready: Semaphore,
    pub(super) activities: Mutex<Activities>,
    pub(super) activities_ready: Semaphore,
    pub(super) timers: Mutex<Timers>,
    pub(super) timers_changed: Notify,
    pub(super) waiters: Arc<Waiters>,
    pub(super) ends: Ends,
    pub(super) catalogue: Mutex<Catalogue>,
    pub(super) rehearsal: Mutex<Option<Rehearsal>>,
    pub(super) next_claim: AtomicI64,
    /// Gives out no more work.
    pub(super) closing: AtomicBool,
    /// Waits for nothing any more.
    pub(super) closed: CancellationToken,
    /// There is room, or something in the store that could use it.
    pub(super) rested: Notify,
    /// Instances without an owner may wait in the store.
    pub(super) backlog: AtomicBool,
    /// They wait until there is room in memory.
    pub(super) wants_room: AtomicBool,
}

/// The first token of a worker's claims.
pub(super) fn first_claim(worker: WorkerId) -> i64 {
    (worker.0 << 40) | 1
}

/// The engine is closed.
#[derive(Debug)]
pub(super) struct Closed;

impl Inner {
    /// Queues a write for the next group commit.
    pub(super) fn submit(
        &self,
        write: Write,
        patience: Patience,
        done: impl FnOnce(&Write, Result<Written, BackendError>) + Send + 'static,
    ) {
        let group = self.group.lock().clone();
        match group {
            Some(group) => group.submit(write, patience, done),
            None => done(&write, Err(shut_down())),
        }
    }

    /// The store, unless the engine is closed.
    pub(super) fn backend(&self) -> Result<Arc<dyn Backend>, Closed> {
        self.backend.read().clone().ok_or(Closed)
    }

    /// An instance makes room for one that waits in the store.
    pub(super) fn made_room(&self) {
        if self.wants_room.load(Ordering::SeqCst) {
            self.rested.notify_one();
        }
    }

    /// What this process is to its store at present.
    pub(super) fn worker(&self) -> WorkerId {
        WorkerId(self.worker.load(Ordering::Acquire))
    }

    /// The process is another worker from now on. Claims of different workers never meet: each has its own range.
    pub(super) fn set_worker(&self, worker: WorkerId) {
        self.next_claim.store(first_claim(worker), Ordering::Release);
        self.worker.store(worker.0, Ordering::Release);
    }

    /// False when others may have taken what is owned here.
    pub(super) fn holds_lease(&self) -> bool {
        self.sharing.as_ref().is_none_or(|sharing| sharing.lease.is_held(&*self.clock))
    }

    /// Waits until work may be given out.
    pub(super) async fn lease_held(&self) {
        if let Some(sharing) = &self.sharing {
            sharing.lease.held(&*self.clock, || self.is_closing()).await;
        }
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Acquire)
    }
}

#[async_trait]
impl WorkSource for LocalEngine {
    async fn open(&self, offer: WorkOffer) -> Result<(), SourceError> {
        let is_shared = self.inner.sharing.is_some();
        *self.inner.rehearsal.lock() = offer.rehearsal.clone();
        self.inner.activities.lock().open(offer.max_activities, is_shared);
        *self.inner.catalogue.lock() = Catalogue::new(offer, is_shared);
        self.recover();
        Ok(())
    }

    async fn next_turn(&self) -> Option<TurnWork> {
        let inner = &self.inner;
        loop {
            inner.lease_held().await;
            let permit = inner.turns_ready.acquire().await.ok()?;
            if !inner.holds_lease() {
                continue;
            }
            permit.forget();
            let now = inner.clock.now();
            let mut instances = inner.instances.lock();
            let work = instances.take_turn(inner.options.events_per_turn, now);
            let ready = instances.ready();
            drop(instances);
            inner.loads.taken(ready);
            if let Some(work) = work {
                return Some(work);
            }
        }
    }

    async fn next_activity(&self) -> Option<ActivityWork> {
        let inner = &self.inner;
        loop {
            inner.lease_held().await;
            let permit = inner.activities_ready.acquire().await.ok()?;
            if !inner.holds_lease() {
                continue;
            }
            permit.forget();
            if let Some(work) = inner.activities.lock().next() {
                return Some(work);
            }
        }
    }

    async fn read_history(&self, lease: &TurnLease) -> Result<Vec<HistoryRecord>, SourceError> {
        if let Some((header, rows)) = self.inner.instances.lock().take_history(lease) {
            return Ok(records(rows, &header)?);
        }
        let mut pauses = Pauses::new(self.inner.options.commit_retry_ceiling);
        loop {
            let leased = self.inner.instances.lock().leased(lease).map(|(known, _)| known.clone());
            let Known { header, standing } = leased.ok_or(SourceError::LeaseLost)?;
            let backend = self.inner.backend().map_err(|Closed| SourceError::Closed)?;
            match backend.history(lease.key).await {
                Ok(rows) => {
                    let is_ours = rows.len() as u64 == standing.history_len
                        && rows.last().is_none_or(|last| last.turn <= standing.turn);
                    if !is_ours && self.has_moved(&header, &standing).await? {
                        // Somebody else has had turns of it: what is known here is of no use.
                        self.disown(lease.key);
                        self.load(lease.key, None);
                        return Err(SourceError::LeaseLost);
                    }
                    return Ok(records(rows, &header)?);
                }
                // The code is not to blame, so the turn waits as its commit would.
                Err(error) if error.is_retryable() && !self.inner.closed.is_cancelled() => {
                    tracing::debug!(instance = %header.instance, %error, "the store does not give a history, trying again");
                }
                Err(error) => return Err(error.into()),
            }
            drop(backend);
            pauses.pause(&self.inner.closed).await;
        }
    }

    fn complete_turn(&self, lease: TurnLease, outcome: TurnOutcome, told: TurnTold) {
        let commit = match self.prepare_turn(&lease, outcome) {
            Ok(Some(commit)) => commit,
            Ok(None) => return told(Ok(())),
            Err(error) => return told(Err(error)),
        };
        let engine = self.clone();
        self.inner.submit(Write::Turn(Box::new(commit)), Patience::Endless, move |write, written| {
            told(engine.finish_turn(write, written));
        });
    }

    async fn stall_turn(&self, lease: TurnLease, reason: String, retry_after: Duration) -> Result<(), SourceError> {
        self.stall(&lease, reason, retry_after).await
    }

    async fn nudge(&self, instance: &InstanceId) {
        let mut instances = self.inner.instances.lock();
        let woken = instances.key_of(instance).is_some_and(|key| instances.wake(key));
        drop(instances);
        if woken {
            self.inner.turns_ready.add_permits(1);
        }
    }

    fn complete_activity(
        &self,
        lease: ActivityLease,
        result: LeafResult,
        goes_on: bool,
    ) -> Result<Option<TurnWork>, SourceError> {
        let held = self.inner.activities.lock().finish(&lease);
        let next = if held { self.deliver_result(&lease, result, goes_on) } else { None };
        self.refill_activities();
        if held { Ok(next) } else { Err(SourceError::LeaseLost) }
    }

    async fn heartbeat(&self, lease: &ActivityLease, progress: Payload) -> Result<(), SourceError> {
        if !self.inner.activities.lock().holds(lease) {
            return Err(SourceError::LeaseLost);
        }
        let (answer, written) = oneshot::channel();
        let write = Write::Progress { key: lease.key, call: lease.call, claim: lease.claim, progress };
        self.inner.submit(write, Patience::Short, move |_, written| {
            let _ = answer.send(written);
        });
        match written.await.map_err(|_gone| SourceError::Closed)?? {
            Written::Done => Ok(()),
            _ => Err(SourceError::LeaseLost),
        }
    }

    async fn abandon_activity(&self, work: ActivityWork) {
        let ActivityWork { lease, call, input, options, progress, .. } = work;
        let mut activities = self.inner.activities.lock();
        if activities.finish(&lease) {
            let waiting = Waiting { id: lease.call, call, input, options, progress };
            activities.enqueue_claimed(lease.key, waiting, lease.claim);
            drop(activities);
            self.inner.activities_ready.add_permits(1);
        }
    }
}

impl LocalEngine {
    /// True when another worker has had an instance since it was read here.
    async fn has_moved(&self, header: &ExecutionHeader, standing: &Standing) -> Result<bool, SourceError> {
        if self.inner.sharing.is_none() {
            return Ok(false);
        }
        let backend = self.inner.backend().map_err(|Closed| SourceError::Closed)?;
        let row = backend.instance(header.instance.as_str()).await?;
        Ok(row.is_none_or(|row| (row.key, row.epoch) != (standing.key, standing.epoch)))
    }

    /// The write of a turn; `None` when nothing happened in it, so that there is nothing to write.
    fn prepare_turn(&self, lease: &TurnLease, outcome: TurnOutcome) -> Result<Option<TurnCommit>, SourceError> {
        let inner = &self.inner;
        let mut instances = inner.instances.lock();
        let (known, turn) = instances.leased(lease).ok_or(SourceError::LeaseLost)?;
        let idle = outcome.actions.is_empty() && outcome.canceled.is_empty() && outcome.completion.is_none();
        if turn.received.is_empty() && idle {
            let busy = instances.rest(lease.key);
            let evicted = instances.take_evicted();
            drop(instances);
            self.release(evicted);
            inner.turns_ready.add_permits(usize::from(busy));
            self.end_trial(lease.key);
            return Ok(None);
        }
        let (known, time) = (known.clone(), turn.time);
        let received = instances.take_received(lease);
        // The lease protects the turn, so others need not wait while it is encoded.
        drop(instances);
        Ok(Some(apply(&known, time, &received, outcome, &mut World::new(inner, lease.key))))
    }
}

/// What a turn of an instance needs to know of this engine.
pub(super) struct World<'a> {
    inner: &'a Inner,
    key: InstanceKey,
    adopted: usize,
}

impl<'a> World<'a> {
    pub(super) fn new(inner: &'a Inner, key: InstanceKey) -> Self {
        Self { inner, key, adopted: 0 }
    }
}

impl Surroundings for World<'_> {
    fn place(&mut self, name: &FunctionName) -> Placement {
        let inner = self.inner;
        let runs = inner.sharing.is_none() || (!inner.is_closing() && inner.catalogue.lock().runs_activity(name));
        let room = runs && inner.activities.lock().reserve(self.key);
        room.then(|| (inner.worker(), inner.next_claim.fetch_add(1, Ordering::Relaxed)))
    }

    fn adopt(&mut self, name: &FunctionName, version: Option<&Version>) -> Option<WorkerId> {
        let inner = self.inner;
        if inner.sharing.is_some() && (inner.is_closing() || !inner.catalogue.lock().runs(name, version)) {
            return None;
        }
        self.adopted += 1;
        let busy = inner.instances.lock().busy() + self.adopted;
        (busy <= inner.options.busy_instances).then(|| inner.worker())
    }

    fn version(&self, name: &FunctionName, asked: Option<&Version>) -> Result<Option<Version>, FailureDetails> {
        Ok(self.inner.catalogue.lock().version(name, asked)?)
    }

    fn execution(&self, instance: &InstanceId) -> ExecutionId {
        self.inner.ids.execution(instance)
    }
}

impl fmt::Debug for LocalEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalEngine")
            .field("hub", &self.inner.hub)
            .field("worker", &self.inner.worker())
            .finish_non_exhaustive()
    }
}
