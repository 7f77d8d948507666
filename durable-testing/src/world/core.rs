//! What a world is made of: a hub on virtual time.

use std::sync::Arc;
use std::time::Duration;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;
use durable_core::client::{Client, ClientError, ClientErrorKind, DurableClient, InstanceStatus, WaitUntil};
use durable_core::hub::{TaskHub, TaskHubBuilder};
use durable_core::model::{FunctionName, InstanceId, Timestamp};

use super::client::{inside, is_inside};
use super::deadlock::Deadlock;
use super::gate::Gate;
use super::journal::{Checks, Journal, Watcher};
use super::leaks;
use super::mocks::{Mocks, Stand, Tables};
use super::shapes::Shapes;
use super::time::Time;

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
    /// Decides in which order activities answer.
    pub(super) gate: Gate,
    pub(super) keeps_logs: bool,
    /// The types of functions.
    pub(super) shapes: Shapes,
}

/// A running world.
pub(super) struct Core {
    // Dropped in this order: first what runs, then the clock on which it runs.
    hub: Option<TaskHub>,
    client: Client,
    pub(super) time: Time,
    pub(super) journal: Arc<Journal>,
    pub(super) mocks: Arc<Mocks>,
    pub(super) store: Memory,
    pub(super) plan: Plan,
}

impl Core {
    #[track_caller]
    pub(super) fn start(plan: Plan, store: Memory, now: Timestamp, tables: Tables, backend: impl Backend) -> Self {
        let time = Time::new(now, plan.gate.clone(), plan.keeps_logs);
        let journal = Journal::new(plan.checks, plan.gate.clone(), plan.shapes.clone());
        let mocks = Mocks::new(tables, Arc::clone(&journal), time.clock().clone(), plan.activities.clone());
        let mut hub = TaskHub::builder().backend(backend).clock(time.clock().clone());
        hub = hub.turn_check(Watcher(Arc::clone(&journal)));
        hub = hub.stand_ins(Stand(Arc::clone(&mocks)), plan.mocked.iter().cloned());
        for part in &plan.parts {
            hub = part(hub);
        }
        let hub = time.run(hub.start()).unwrap_or_else(|error| panic!("the world cannot begin: {error:?}"));
        let client = hub.client();
        let core = Self { hub: Some(hub), client, time, journal, mocks, store, plan };
        core.settle();
        core
    }

    pub(super) fn inner_client(&self) -> &dyn DurableClient {
        self.client.as_dyn()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.time.clock().coarse()
    }

    /// Runs a future of the world, and everything that follows from it at this time.
    pub(super) fn drive<F: Future + Send>(&self, future: F) -> F::Output
    where
        F::Output: Send,
    {
        let output = self.time.run(future);
        self.settle();
        output
    }

    pub(super) fn settle(&self) {
        self.time.settle();
    }

    pub(super) fn status(&self, id: &InstanceId) -> Result<Option<InstanceStatus>, ClientError> {
        self.time.run(self.client.status(id))
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
            let went_on = self.time.pass_to_next(rest.unwrap_or(Time::NO_LIMIT));
            if !went_on && rest.is_none() {
                let deadlock = Deadlock::of(self);
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
        // A test that fails has said already what is wrong, and a world that ends within itself can do nothing any more.
        let can_look = self.hub.is_some() && !std::thread::panicking() && !is_inside();
        let complaint = if can_look { leaks::at_the_end(self) } else { None };
        // Some of what runs is dropped here, and may look for the clock.
        inside(|| drop(self.hub.take()));
        if let Some(complaint) = complaint {
            panic!("{complaint}");
        }
    }
}
