//! The end of the process, and whatever goes wrong with its store.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Poll, Waker};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::backend::Write;
use durable_core::client::{ClientError, ClientErrorKind, DurableClient};
use parking_lot::Mutex;

use super::World;
use super::core::Core;
use crate::faults::{Fault, FaultyBackend, Struck};

/// How long the engine leaves a store alone that has failed once.
const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// What can go wrong with a process and its store.
pub(super) struct Mishaps {
    pub(super) faults: Arc<FaultyBackend>,
    signal: Arc<Signal>,
    revive: OnceLock<Box<dyn Fn() + Send + Sync>>,
    deaths: AtomicU64,
    /// A commit has failed: the engine tries again after a pause.
    retries: AtomicU64,
    /// Calls of a client from outside survive whatever happens.
    is_patient: bool,
}

/// Tells that the process dies.
#[derive(Default)]
struct Signal(Mutex<(bool, Option<Waker>)>);

impl Signal {
    fn raise(&self) {
        let mut state = self.0.lock();
        state.0 = true;
        if let Some(waker) = state.1.take() {
            waker.wake();
        }
    }
}

impl Mishaps {
    pub(super) fn new(faults: FaultyBackend, is_patient: bool) -> Arc<Self> {
        let faults = Arc::new(faults);
        let signal = Arc::new(Signal::default());
        let at_the_end = Arc::clone(&signal);
        faults.on_crash(move || at_the_end.raise());
        let (deaths, retries) = Default::default();
        Arc::new(Self { faults, signal, revive: OnceLock::new(), deaths, retries, is_patient })
    }

    /// Sets what begins the next process.
    pub(super) fn on_crash(&self, revive: impl Fn() + Send + Sync + 'static) {
        let _ = self.revive.set(Box::new(revive));
    }

    /// Completes when the process dies.
    pub(super) async fn crashed(&self) {
        poll_fn(|cx| {
            let mut state = self.signal.0.lock();
            if state.0 {
                return Poll::Ready(());
            }
            state.1 = Some(cx.waker().clone());
            Poll::Pending
        })
        .await;
    }

    /// Begins the next process when this one has died. True when it had.
    pub(super) fn revive(&self) -> bool {
        let Some(revive) = self.revive.get() else { return false };
        let died = std::mem::take(&mut self.signal.0.lock().0);
        if died {
            revive();
        }
        died
    }

    /// How many processes have died so far.
    pub(super) fn deaths(&self) -> u64 {
        self.deaths.load(Ordering::Relaxed)
    }

    /// How long to wait until a commit that has failed is made again, where there is one.
    pub(super) fn take_pause(&self) -> Option<Duration> {
        let failures = self.faults.failures();
        let before = self.retries.swap(failures, Ordering::Relaxed);
        (failures > before).then_some(RETRY_PAUSE)
    }
}

impl Core {
    /// Ends the process without a word, and begins the next one.
    pub(super) fn revive(&self) {
        let dead = self.take_hub();
        self.mishaps.deaths.fetch_add(1, Ordering::Relaxed);
        self.time.reboot();
        super::client::inside(|| drop(dead));
        self.mishaps.faults.next_process();
        self.mocks.next_process();
        self.boot();
    }

    /// A call of a client from outside. When the process dies meanwhile it is made again, unless it has happened: then
    /// `lost` gives the answer that got lost, where it is known.
    pub(super) fn ask<T: Send>(
        &self,
        call: impl for<'c> Fn(&'c dyn DurableClient) -> BoxFuture<'c, Result<T, ClientError>> + Send,
        lost: impl Fn() -> Option<T>,
    ) -> Result<T, ClientError> {
        loop {
            self.ids.none_is_pending();
            self.mishaps.faults.take_struck();
            let client = self.inner_client();
            let answer = self.time.run_or_crash(call(&*client));
            let struck = self.mishaps.faults.take_struck();
            self.settle();
            let error = match answer {
                Some(Ok(answer)) => return Ok(answer),
                Some(Err(error)) => Some(error),
                None => None,
            };
            let repeats = struck.as_ref().is_some_and(|struck| struck.is_crash() || self.mishaps.is_patient);
            let is_fault = error.as_ref().is_none_or(|error| *error.kind() == ClientErrorKind::Store);
            match error {
                Some(error) if !repeats || !is_fault => return Err(error),
                _ => {}
            }
            if struck.is_some_and(|struck| struck.has_answered_a_client())
                && let Some(answer) = lost()
            {
                return Ok(answer);
            }
        }
    }
}

impl Struck {
    pub(super) fn is_crash(&self) -> bool {
        matches!(self.fault, Fault::Crash | Fault::CrashAfter)
    }

    /// True when something has happened that a client from outside asked for.
    fn has_answered_a_client(&self) -> bool {
        let has_happened = matches!(self.fault, Fault::LoseAnswer | Fault::CrashAfter);
        has_happened
            && self.batch.iter().any(|write| match write {
                Write::Create(create) => create.parent.is_none(),
                Write::Message(message) => message.completes.is_none(),
                Write::Rewind(_) | Write::Purge { .. } => true,
                _ => false,
            })
    }
}

impl World {
    /// The process dies here, as with `kill -9`: everything in memory is gone, and the next one begins on the same store, at
    /// the same time. Handles and clients of this world stay good.
    ///
    /// Activities that were under way begin again, and see a [`delivery`](durable_core::activity::ActivityContext::delivery)
    /// above 1. A mock gives such a call the answer again that it gave before; a call that has died with its process
    /// [so many times](durable_core::hub::TaskHubBuilder::max_deliveries) counts as poison and fails.
    ///
    /// What was given to [`WorldBuilder::state`](super::WorldBuilder::state) stands for something outside and stays.
    /// [`WorldBuilder::hub`](super::WorldBuilder::hub) is asked again, so that state which is made there is new after a crash.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    /// use std::time::Duration;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ///     ctx.call_activity(charge, amount).await
    /// }
    ///
    /// let world = World::builder().orchestrator(pay).build();
    /// let charges = world.mock(charge);
    /// charges.returns(7).takes(Duration::from_secs(60));
    /// let run = world.start(pay, 5);
    /// world.advance(Duration::from_secs(59));
    /// world.crash();
    /// assert_eq!(run.output(), 7);
    /// assert_eq!(world.elapsed(), Duration::from_secs(59 + 60), "it began again");
    /// assert_eq!(charges.calls().last().unwrap().delivery, 2);
    /// ```
    ///
    /// This is a call for the test, not for an activity. A function that is the end of its process is mocked by
    /// [`Mock::crashes`](super::Mock::crashes).
    ///
    /// There is one process at a time. Two that work on the same instances, of which one has lost its lease, cannot be had in
    /// a world: its store belongs to one process, as a SQLite file does, and knows no leases. A [`Fleet`](crate::fleet::Fleet)
    /// has several, of which each can die.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    pub fn crash(&self) {
        self.0.revive();
        self.0.settle();
        self.0.object();
    }

    /// The process is shut down in order, and the next one begins on the same store.
    ///
    /// Activities that are under way may end, for which time passes: at most the hub's
    /// [drain timeout](durable_core::hub::TaskHubBuilder::drain_timeout). Those that take longer begin again, and it is not
    /// counted as a failed delivery.
    ///
    /// ```
    /// # use durable_core::prelude::*;
    /// # use durable_testing::World;
    /// # use std::time::Duration;
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     ctx.wait_for_external_event("Approval").await
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// let run = world.start(approval, ());
    /// world.restart();
    /// run.raise("Approval", &true);
    /// assert!(run.output());
    /// assert_eq!(world.elapsed(), Duration::ZERO);
    /// ```
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile, or the hub cannot be shut down.
    #[track_caller]
    pub fn restart(&self) {
        self.0.settle();
        let hub = self.0.hub();
        if let Some(Err(error)) = self.0.time.run_or_crash(hub.shutdown()) {
            panic!("the hub cannot be shut down: {error:?}");
        }
        drop(hub);
        self.0.mocks.run_again();
        self.0.revive();
        self.0.settle();
        self.0.object();
    }

    /// The store of this world, between it and the engine: its commits can be made to fail, to lose their answers, or to be
    /// the end of the process.
    ///
    /// Commits are counted from the beginning of the world. The engine makes a commit that has failed again 10 ms later, and
    /// this much time passes in the world. While [all commits fail](FaultyBackend::fail_from) nothing comes to an end, and
    /// whoever waits for that finds a deadlock; after [`heal`](FaultyBackend::heal) it goes on within seconds of the world.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ///     ctx.call_activity(charge, amount).await
    /// }
    ///
    /// let world = World::builder().orchestrator(pay).build();
    /// let charges = world.mock(charge);
    /// charges.returns(7);
    /// let faults = world.faults();
    /// // After the creation and the first turn, the process dies when the result of the activity shall be stored.
    /// faults.crash(faults.commits() + 3);
    /// assert_eq!(world.start(pay, 5).output(), 7);
    /// assert_eq!(charges.calls().iter().map(|call| call.delivery).collect::<Vec<_>>(), [1, 2]);
    /// ```
    #[must_use]
    pub fn faults(&self) -> &FaultyBackend {
        &self.0.mishaps.faults
    }
}
