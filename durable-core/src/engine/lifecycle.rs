//! Starting, recovering and closing an engine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::activities::Activities;
use super::apply::{Standing, apply};
use super::clock::{Clock, StoreClock};
use super::entry::Known;
use super::group::{Group, Patience};
use super::ids::IdSource;
use super::instances::{AfterLoad, Instances, Load};
use super::loads::{Loads, bring_back};
use super::local::{Inner, LocalEngine, World, first_claim};
use super::message::{Message, Origin};
use super::options::EngineOptions;
use super::retention::{Ends, remove_old};
use super::sharing::{BEATS_OF_A_LEASE, Sharing};
use super::timers::{PAGE, Timers};
use super::{heartbeat, notices, stored};
use crate::backend::{Backend, BackendError, Claimed, InstanceKey, Notice, Write, Written};
use crate::history::{Completion, EventKind, decode_event};
use crate::model::{FailureDetails, Retention, RuntimeStatus, TaskHubName, TaskId};
use crate::replay::TurnOutcome;

/// How many instances are brought into memory at once when a hub starts.
pub(super) const RECOVERY_PAGE: usize = 1_000;

impl LocalEngine {
    /// Attaches to a store as a new worker. Nothing runs before a worker opens the engine.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn attach(
        hub: TaskHubName,
        backend: Arc<dyn Backend>,
        clock: Arc<dyn Clock>,
        ids: Arc<dyn IdSource>,
        options: EngineOptions,
    ) -> Result<Self, BackendError> {
        let lease = options.heartbeat_interval * BEATS_OF_A_LEASE;
        let asked = clock.elapsed();
        let attached = backend.attach(&worker_name(&hub), lease).await?;
        let (sharing, clock) = match attached.now {
            Some(now) => {
                let store_clock = Arc::new(StoreClock::new(Arc::clone(&clock)));
                store_clock.begin(now, asked, clock.elapsed());
                (Some(Sharing::new(Arc::clone(&store_clock), asked + lease)), store_clock as Arc<dyn Clock>)
            }
            None => (None, clock),
        };
        let closed = CancellationToken::new();
        let (group, committer) = Group::start(Arc::clone(&backend), &options, closed.clone());
        Ok(Self {
            inner: Arc::new(Inner {
                hub,
                worker: AtomicI64::new(attached.worker.0),
                instances: Mutex::new(Instances::new(options.warm_instances, sharing.is_some())),
                sharing,
                clock,
                ids,
                group: Mutex::new(Some(group)),
                committer: Mutex::new(Some(committer)),
                watchers: Mutex::default(),
                suspects: Mutex::default(),
                loads: Loads::default(),
                turns_ready: Semaphore::new(0),
                activities: Mutex::new(Activities::new(options.local_activities)),
                activities_ready: Semaphore::new(0),
                timers: Mutex::new(Timers::default()),
                timers_changed: Notify::new(),
                waiters: Arc::default(),
                ends: Ends::default(),
                catalogue: Mutex::default(),
                rehearsal: Mutex::default(),
                next_claim: AtomicI64::new(first_claim(attached.worker)),
                closing: AtomicBool::new(false),
                closed,
                rested: Notify::new(),
                backlog: AtomicBool::new(true),
                wants_room: AtomicBool::new(false),
                options,
                backend: RwLock::new(Some(backend)),
            }),
        })
    }

    /// Starts to take up what earlier workers left, and to watch the timers.
    pub(super) fn recover(&self) {
        self.refill_activities();
        let mut watchers = vec![tokio::spawn(take_up(self.clone())), tokio::spawn(watch_timers(self.clone()))];
        if self.inner.options.retention != Retention::new() {
            watchers.push(tokio::spawn(remove_old(self.clone())));
        }
        if self.inner.sharing.is_none() {
            watchers.push(tokio::spawn(bring_back(self.clone())));
        } else {
            watchers.push(tokio::spawn(heartbeat::beat(self.clone())));
            watchers.push(tokio::spawn(notices::listen(self.clone())));
            watchers.push(tokio::spawn(notices::send(self.clone())));
        }
        self.inner.watchers.lock().extend(watchers);
    }

    /// Brings an instance into memory.
    pub(super) fn load(&self, key: InstanceKey, message: Option<Message>) {
        self.bring(key, message, false);
    }

    /// Brings an instance into memory that nobody owns at present: there is no use in looking whether it is ours.
    pub(super) fn load_unowned(&self, key: InstanceKey) {
        if self.inner.sharing.is_some() {
            return self.load(key, None);
        }
        let begun = self.inner.instances.lock().begin_load(key, None, false);
        if matches!(begun, Load::Begun) {
            self.claim(key);
        }
    }

    /// Brings an instance into memory whose time to start has come.
    pub(super) fn start_due(&self, key: InstanceKey) {
        self.bring(key, None, true);
    }

    fn bring(&self, key: InstanceKey, message: Option<Message>, due: bool) {
        // Others take up what comes now.
        if self.inner.sharing.is_some() && self.inner.is_closing() {
            return self.tell(Notice::Work { instances: true, calls: false });
        }
        let begun = self.inner.instances.lock().begin_load(key, message, due);
        match begun {
            Load::Begun if self.inner.sharing.is_some() => self.claim(key),
            Load::Begun => self.inner.loads.add(key),
            Load::OnItsWay | Load::Present(None) => {}
            Load::Present(Some(message)) => self.message_is_durable(key, None, message),
        }
    }

    /// Takes in an instance that is being loaded.
    pub(super) fn loaded(&self, claimed: Claimed) {
        let Claimed { instance, owner_lost: suspect, .. } = &claimed;
        let (key, epoch, id, suspect) = (instance.key, instance.epoch, instance.id.clone(), *suspect);
        let attempts = instance.crashes;
        if let Some(timers) = &claimed.timers {
            self.reset_timers(key, timers);
        }
        match read(claimed) {
            Ok((known, unread)) if suspect && attempts >= self.inner.options.max_deliveries => {
                self.bury(&known, &unread);
            }
            Ok((known, unread)) => {
                let execution = known.header.execution.clone();
                let mut instances = self.inner.instances.lock();
                let after = instances.loaded(known, unread, self.inner.clock.now(), suspect);
                let (evicted, gap) = (instances.take_evicted(), instances.take_gap(key));
                drop(instances);
                match (after, suspect) {
                    (AfterLoad::Busy, true) => self.try_suspect(key, epoch, attempts),
                    (AfterLoad::Busy, false) => self.inner.turns_ready.add_permits(1),
                    (AfterLoad::Resting, _) => self.inner.made_room(),
                    (AfterLoad::Parked(left), _) => {
                        self.inner.made_room();
                        left.into_iter().for_each(|message| self.store_message(key, &execution, message));
                    }
                }
                self.release(evicted);
                if gap {
                    self.look_into(key);
                }
            }
            Err(problem) => {
                tracing::error!(instance = id, problem, "a stored instance cannot be read");
                self.forget(key);
            }
        }
    }

    /// Fails an instance that has brought its process down again and again.
    fn bury(&self, known: &Known, unread: &[Message]) {
        tracing::error!(instance = %known.header.instance, "an instance is poison");
        let message = "the process ended each time before this instance had finished a turn: it is not run again";
        let failure = FailureDetails::new("Poison", message).non_retriable();
        let outcome = TurnOutcome {
            completion: Some((TaskId(u32::MAX), Completion::Failed(failure))),
            drop_tasks: true,
            ..TurnOutcome::default()
        };
        let now = self.inner.clock.now().max(known.standing.turn_time.next_tick());
        let commit = apply(known, now, unread, outcome, &mut World::new(&self.inner, known.standing.key));
        let (engine, header, key) = (self.clone(), Arc::clone(&known.header), known.standing.key);
        self.inner.submit(Write::Turn(Box::new(commit)), Patience::Endless, move |write, written| {
            engine.forget(key);
            engine.inner.waiters.changed(&header.instance);
            engine.inner.ends.happened(RuntimeStatus::Failed);
            if let (Write::Turn(commit), Ok(Written::Committed(reached))) = (write, written) {
                engine.tell_watchers(&reached, &header.instance);
                engine.reach(commit, *reached, Some(&header));
            }
        });
    }

    /// Drops everything that memory holds of an instance, which is gone.
    pub(super) fn forget(&self, key: InstanceKey) {
        self.inner.activities.lock().cancel_all(key);
        self.unload(key);
    }

    /// Drops what memory holds of an instance. Calls of it that run here go on: their claims hold.
    pub(super) fn unload(&self, key: InstanceKey) {
        self.inner.instances.lock().remove(key);
        self.inner.timers.lock().remove_all(key);
        self.inner.made_room();
        self.end_trial(key);
    }

    /// Gives out no more work. What is running goes on.
    pub fn stop_giving_work(&self) {
        self.inner.closing.store(true, Ordering::Release);
        self.inner.turns_ready.close();
        self.inner.activities_ready.close();
        self.inner.timers_changed.notify_one();
        if let Some(sharing) = &self.inner.sharing {
            sharing.lease.wake();
            self.leave();
        }
    }

    /// Ends the engine: stores what only memory holds, waits for all writes, and tells waiting clients.
    ///
    /// # Errors
    ///
    /// The store failed. Nothing that was acknowledged is lost; the next start takes longer.
    pub async fn close(&self) -> Result<(), BackendError> {
        self.stop_giving_work();
        let volatile = self.inner.instances.lock().take_volatile();
        for (key, execution, message) in volatile {
            self.store_message(key, &execution, message);
        }
        // Without senders the committer writes what is queued, and ends; what the store does not take now, it gives up.
        self.inner.closed.cancel();
        self.inner.group.lock().take();
        let committer = self.inner.committer.lock().take();
        if let Some(committer) = committer {
            let _ = committer.await;
        }
        let watchers = std::mem::take(&mut *self.inner.watchers.lock());
        for watcher in watchers {
            let _ = watcher.await;
        }
        self.inner.waiters.all();
        // Given up, so that a store closes although clients and handles of this hub are still around.
        let backend = self.inner.backend.write().take();
        let Some(backend) = backend else { return Ok(()) };
        backend.detach(self.inner.worker()).await?;
        self.say_goodbye(&*backend).await;
        Ok(())
    }
}

/// Takes up instances that have something to do, a page at a time, as earlier ones come to rest.
async fn take_up(engine: LocalEngine) {
    let inner = &engine.inner;
    let mut after = InstanceKey::default();
    let mut is_told = false;
    while !inner.is_closing() {
        let begins = after == InstanceKey::default();
        if begins && !inner.backlog.swap(false, Ordering::SeqCst) {
            wait_for_rest(inner).await;
            continue;
        }
        // Said before the look, so that what comes to rest after it knocks.
        inner.wants_room.store(true, Ordering::SeqCst);
        if inner.instances.lock().busy() + RECOVERY_PAGE > inner.options.busy_instances.max(2 * RECOVERY_PAGE) {
            inner.backlog.fetch_or(begins, Ordering::SeqCst);
            wait_for_rest(inner).await;
            continue;
        }
        inner.wants_room.store(false, Ordering::SeqCst);
        match engine.take_ready(after).await {
            // From the start again, when something has been added meanwhile.
            Ok(last) => {
                after = last.unwrap_or_default();
                is_told = false;
            }
            Err(_) if inner.closed.is_cancelled() => return,
            Err(error) => {
                inner.backlog.fetch_or(begins, Ordering::SeqCst);
                if !std::mem::replace(&mut is_told, true) {
                    tracing::error!(%error, "the store does not say which instances are ready, trying again");
                }
                pause(inner).await;
            }
        }
    }
}

/// The store has failed: it is left alone for a while.
pub(super) async fn pause(inner: &Inner) {
    let until = inner.clock.now().saturating_add(inner.options.commit_retry_ceiling);
    tokio::select! {
        () = inner.clock.sleep_until(until) => {}
        () = inner.closed.cancelled() => {}
    }
}

async fn wait_for_rest(inner: &Inner) {
    tokio::select! {
        () = inner.rested.notified() => {}
        () = inner.closed.cancelled() => {}
    }
}

/// How a worker is called in the store, for people.
pub(super) fn worker_name(hub: &TaskHubName) -> String {
    format!("{hub} in process {}", std::process::id())
}

/// From rows to what the engine keeps in memory.
fn read(claimed: Claimed) -> Result<(Known, Vec<Message>), String> {
    let Claimed { instance: row, inbox, .. } = claimed;
    let header = stored::header(&row)?;
    let standing = Standing {
        key: row.key,
        epoch: row.epoch,
        turn: row.turn,
        turn_time: row.turn_time,
        history_len: row.history_len,
        consumed: inbox.first().map_or(row.inbox_seq, |first| first.seq - 1),
        parent: row.parent,
        is_suspended: row.status == RuntimeStatus::Suspended,
    };
    let unread = inbox.into_iter().map(|row| {
        let event: EventKind = decode_event(row.event, &header).map_err(|error| error.to_string())?;
        Ok(Message { time: row.time, event, origin: Origin::Inbox(row.seq) })
    });
    let unread = unread.collect::<Result<_, String>>()?;
    Ok((Known { header, standing }, unread))
}

/// Fires timers when they are due. It sleeps until the next one; without timers it does nothing at all.
async fn watch_timers(engine: LocalEngine) {
    let inner = &engine.inner;
    let mut is_told = false;
    while !inner.is_closing() {
        let page = inner.timers.lock().begin_page();
        if let Some(after) = page {
            let Ok(backend) = inner.backend() else { return };
            let page = backend.timers(inner.worker(), after, PAGE).await;
            drop(backend);
            let was_told = std::mem::replace(&mut is_told, page.is_err());
            if let Err(error) = &page {
                if !was_told {
                    tracing::error!(%error, "the store does not give its timers, trying again");
                }
                pause(inner).await;
            }
            inner.timers.lock().end_page(page.ok());
            continue;
        }
        let next = inner.timers.lock().next_due();
        match next {
            Some(next) => {
                let due = inner.timers.lock().take_due(inner.clock.now());
                if !due.is_empty() {
                    due.into_iter().for_each(|timer| engine.timer_is_due(timer));
                    continue;
                }
                tokio::select! {
                    () = inner.clock.sleep_until(next) => {}
                    () = inner.timers_changed.notified() => {}
                }
            }
            None => inner.timers_changed.notified().await,
        }
    }
}
