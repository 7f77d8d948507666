//! What a world is made of: a hub on virtual time.

use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use durable_core::backend::memory::Memory;
use durable_core::backend::{Backend as _, InstanceFilter};
use durable_core::client::{Client, ClientError, ClientErrorKind, DurableClient, InstanceStatus, WaitUntil};
use durable_core::hub::{TaskHub, TaskHubBuilder};
use durable_core::model::{FunctionName, InstanceId, TaskHubName, Timestamp};
use parking_lot::Mutex;

use super::chaos::Trial;
use super::client::{inside, is_inside};
use super::crash::Mishaps;
use super::deadlock::Deadlock;
use super::executions::AllEnded;
use super::gate::Gate;
use super::ids::{Ids, OfTheHub};
use super::journal::{Checks, Executions, Journal, Watcher};
use super::leaks;
use super::ledger::{Ledger, Noted};
use super::mock_tables::Tables;
use super::mocks::Mocks;
use super::shapes::Shapes;
use super::stand_ins::Stand;
use super::time::{Moment, Passed, Time};
use super::travel::rows;
use crate::faults::FaultyBackend;
use crate::or_fail::OrFail as _;
use crate::store::Open;

/// Adds something to a hub. It is done again for each hub that takes the place of another.
pub(super) type Part = Arc<dyn Fn(TaskHubBuilder) -> TaskHubBuilder + Send + Sync>;

/// What does not change as long as a world lives, whatever happens to its hub.
#[derive(Clone)]
pub(super) struct Plan {
    pub(super) parts: Vec<Part>,
    /// The activities among them.
    pub(super) activities: Vec<FunctionName>,
    /// Orchestrators that are only there as mocks.
    pub(super) mocked: Vec<FunctionName>,
    pub(super) checks: Checks,
    pub(super) start: Timestamp,
    /// What generated ids follow from.
    pub(super) seed: u64,
    /// What shall go wrong at one of the commits.
    pub(super) trial: Option<Arc<Trial>>,
    /// Decides in which order activities answer.
    pub(super) gate: Gate,
    pub(super) keeps_logs: bool,
    /// The types of functions.
    pub(super) shapes: Shapes,
    /// Makes what opens the store, where it is not in memory; once for each world.
    pub(super) store: Option<Arc<dyn Fn() -> Open + Send + Sync>>,
}

/// What a world remembers beside its store.
#[derive(Clone, Default)]
pub(super) struct Memories {
    pub(super) tables: Tables,
    pub(super) executions: Executions,
    pub(super) ended: AllEnded,
    /// What has led to the store; it begins anew where there is none.
    pub(super) ledger: Option<Ledger>,
}

/// A running world.
pub(super) struct Core {
    // Dropped in this order: first what runs, then the clock on which it runs.
    hub: Mutex<Option<TaskHub>>,
    hub_name: OnceLock<TaskHubName>,
    pub(super) time: Time,
    pub(super) mishaps: Arc<Mishaps>,
    pub(super) journal: Arc<Journal>,
    pub(super) mocks: Arc<Mocks>,
    /// Empty when the world has another store.
    pub(super) store: Memory,
    pub(super) ledger: Ledger,
    pub(super) ids: Arc<Ids>,
    pub(super) plan: Plan,
}

/// A client of the present hub.
pub(super) struct Inner(Client);

impl Deref for Inner {
    type Target = dyn DurableClient;

    fn deref(&self) -> &Self::Target {
        self.0.as_dyn()
    }
}

impl Core {
    /// Begins a world on a store, at a time.
    #[track_caller]
    pub(super) fn start(plan: Plan, store: Memory, now: Moment, memories: Memories) -> Arc<Self> {
        let core = Self::prepare(plan, store, now, memories);
        core.settle();
        core
    }

    /// As [`start`](Self::start), but nothing happens before the first call that makes something happen.
    pub(super) fn prepare(plan: Plan, store: Memory, now: Moment, memories: Memories) -> Arc<Self> {
        let ledger = memories.ledger.map_or_else(|| Ledger::new(&store, now.coarse), |ledger| ledger.fork());
        let faults = match &plan.store {
            Some(store) => FaultyBackend::opened_by(store()),
            None => FaultyBackend::new(Arc::new(Noted::new(store.clone(), ledger.clone()))),
        };
        let ids = Ids::new(plan.seed);
        ids.know(&rows(&store));
        ledger.each_commit(|batch| ids.note(batch));
        let written = Arc::clone(&ids);
        faults.on_write(move |batch| written.note(batch));
        let mishaps = Mishaps::new(faults, plan.trial.is_some());
        let time = Time::new(now, Arc::clone(&mishaps), plan.gate.clone(), plan.keeps_logs);
        let journal = Journal::new(plan.checks, memories.executions, plan.gate.clone(), plan.shapes.clone());
        journal.remember(memories.ended);
        let clock = time.clock().clone();
        let faults = Arc::clone(&mishaps.faults);
        let mocks = Mocks::new(memories.tables, Arc::clone(&journal), (clock, faults), plan.activities.clone());
        if let Some(trial) = &plan.trial {
            trial.begin(&mishaps.faults, &journal, &mocks);
        }
        let (hub, hub_name) = (Mutex::default(), OnceLock::new());
        let core = Arc::new(Self { hub, hub_name, time, mishaps, journal, mocks, store, ledger, ids, plan });
        let next = Arc::downgrade(&core);
        core.mishaps.on_crash(move || next.upgrade().iter().for_each(|core| core.revive()));
        core
    }

    /// The description of the hub.
    pub(super) fn describe(&self) -> TaskHubBuilder {
        let clock = self.time.clock().clone();
        let mut hub = TaskHub::builder().backend(Arc::clone(&self.mishaps.faults)).clock(clock);
        hub = hub.ids(OfTheHub(Arc::clone(&self.ids)));
        hub = hub.turn_check(Watcher(Arc::clone(&self.journal)));
        let declared = self.plan.mocked.clone();
        hub = hub.stand_ins(Stand { mocks: Arc::clone(&self.mocks), declared: declared.clone() }, declared);
        if self.plan.gate.is_closed() {
            // As many as wait for their turn.
            hub = hub.max_concurrent_turns(100_000);
        }
        for part in &self.plan.parts {
            hub = part(hub);
        }
        hub
    }

    /// Starts the hub.
    #[track_caller]
    pub(super) fn boot(&self) -> TaskHub {
        self.ids.none_is_pending();
        if self.plan.store.is_some() && self.ids.looks_around() {
            // It may hold what another world has left there.
            let all = InstanceFilter { limit: usize::MAX, ..InstanceFilter::default() };
            let known = self.time.run(self.mishaps.faults.list(all));
            self.ids.know(&known.or_fail(|error| format!("the world cannot read its store: {error}")));
        }
        let start = self.describe().start();
        let hub = self.time.run(start).or_fail(|error| format!("the world cannot begin: {error:?}"));
        *self.hub.lock() = Some(hub.clone());
        hub
    }

    /// True for an orchestrator that was added, however, or declared as mocked. It starts nothing.
    pub(super) fn knows_orchestrator(&self, name: &FunctionName) -> bool {
        self.plan.mocked.contains(name) || self.describe().code().has_orchestrator(name)
    }

    /// The present hub. It is started when there is none yet.
    #[track_caller]
    pub(super) fn hub(&self) -> TaskHub {
        let hub = self.hub.lock().clone();
        hub.unwrap_or_else(|| self.boot())
    }

    pub(super) fn take_hub(&self) -> Option<TaskHub> {
        self.hub.lock().take()
    }

    pub(super) fn hub_name(&self) -> &TaskHubName {
        self.hub_name.get_or_init(|| self.hub().name().clone())
    }

    #[track_caller]
    pub(super) fn inner_client(&self) -> Inner {
        Inner(self.hub().client())
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.clock().coarse()
    }

    #[track_caller]
    pub(super) fn settle(&self) {
        drop(self.hub());
        self.time.settle();
    }

    pub(super) fn status(&self, id: &InstanceId) -> Result<Option<InstanceStatus>, ClientError> {
        self.time.run(self.inner_client().status(id))
    }

    /// Lets time pass until an instance has come so far, at most for `timeout`.
    pub(super) fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        self.settle();
        let end = timeout.map(|timeout| self.now().saturating_add(timeout));
        loop {
            let status = self.status(id)?;
            if status.as_ref().is_none_or(|status| until.is_reached(status.runtime_status)) {
                return Ok(status);
            }
            let rest = end.map(|end| end.saturating_since(self.now()));
            if rest.is_some_and(|rest| rest.is_zero()) {
                return Ok(status);
            }
            let client = self.inner_client();
            let is_stalled = status.is_some_and(|status| status.stalled.is_some());
            let passed = self.time.pass_many(client.wait(id, until, None), rest.unwrap_or(Time::NO_LIMIT));
            if let Some(message) = self.journal.first_complaint() {
                return Err(ClientError::new(ClientErrorKind::Remote { message }));
            }
            // One that is stalled is tried again and again, for ever.
            let is_over = passed == Passed::NothingDue || (passed == Passed::GoesOn && is_stalled);
            if is_over && rest.is_none() {
                let deadlock = Deadlock::read(self)?;
                let message = "waits for ever".to_owned();
                return Err(ClientError::new(ClientErrorKind::Remote { message }).with_source(deadlock));
            }
        }
    }

    /// Fails the test for everything that was found wrong.
    #[track_caller]
    pub(super) fn object(&self) {
        let complaints = self.journal.take_complaints();
        assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // A world that ends within itself can do nothing any more.
        let can_look = self.hub.lock().is_some() && !is_inside();
        let is_failing = std::thread::panicking();
        let complaint = match (can_look, is_failing) {
            (false, _) => None,
            (true, false) => leaks::at_the_end(self),
            // A second panic would end the process.
            (true, true) => catch_unwind(AssertUnwindSafe(|| leaks::at_the_end(self))).unwrap_or_default(),
        };
        // Some of what runs is dropped here, and may look for the clock.
        inside(|| drop(self.take_hub()));
        match complaint {
            // The test has failed already, mostly because of this.
            Some(complaint) if is_failing => tell(&complaint),
            Some(complaint) => panic!("{complaint}"),
            None => {}
        }
    }
}

#[expect(clippy::print_stderr, reason = "it stands beside what the test that fails says itself")]
fn tell(complaint: &str) {
    eprintln!("{complaint}");
}
