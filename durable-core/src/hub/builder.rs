//! Describing a task hub.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::{HubCode, StartError, TaskHub, apply};
use crate::activity::{ActivityHandler, ActivityItem, StateMap};
use crate::backend::Backend;
use crate::client::Client;
use crate::config::{HostConfig, StorageError};
use crate::engine::{Clock, EngineOptions, IdSource, LocalEngine, SystemClock, UniqueIds};
use crate::model::{FunctionName, IdReusePolicy, Limits, Retention, RuntimeStatus, TaskHubName, Version};
use crate::orchestration::OrchestratorItem;
use crate::registry::{HttpTrigger, Registry, RegistryError, StandIns};
use crate::worker::{
    Code, EventOrder, NonDeterminismPolicy, TurnCheck, VersionMatch, VersionMismatch, Worker, WorkerOptions,
};

/// The description of a task hub. Mistakes are collected and reported together by [`start`](Self::start).
#[must_use = "a hub runs only after `.start().await`"]
pub struct TaskHubBuilder {
    name: TaskHubName,
    backend: Option<Arc<dyn Backend>>,
    registry: Registry,
    state: StateMap,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn IdSource>,
    engine: EngineOptions,
    worker: WorkerOptions,
    config: Option<Box<HostConfig>>,
    check: Option<Arc<dyn TurnCheck>>,
    discovers: bool,
    mistakes: Vec<String>,
}

impl Default for TaskHubBuilder {
    fn default() -> Self {
        Self {
            name: TaskHubName::default(),
            backend: None,
            registry: Registry::default(),
            state: StateMap::default(),
            clock: Arc::new(SystemClock),
            ids: Arc::new(UniqueIds),
            engine: EngineOptions::default(),
            worker: WorkerOptions::default(),
            config: None,
            check: None,
            discovers: false,
            mistakes: Vec::new(),
        }
    }
}

impl TaskHubBuilder {
    /// Names the hub; the default is `TestHubName`. The name appears in the links of the HTTP API.
    pub fn name(mut self, name: &str) -> Self {
        match TaskHubName::new(name) {
            Ok(name) => self.name = name,
            Err(error) => self.mistakes.push(error.to_string()),
        }
        self
    }

    /// Takes over a configuration. What is called after this wins over it, what was called before does not, except where the
    /// configuration says nothing.
    ///
    /// Its warnings go to the log now, and all settings that hold at the start. Its store is opened by the start, and only
    /// when no [`backend`](Self::backend) was given. See [`config`](crate::config) for what can be set.
    ///
    /// ```
    /// use durable_core::config::HostConfig;
    /// use durable_core::prelude::*;
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let config = HostConfig::builder()
    ///     .json(r#"{ "extensions": { "durableTask": { "hubName": "Shop", "storageProvider": { "type": "memory" } } } }"#)
    ///     .load()?;
    /// let hub = TaskHub::builder().config(&config).start().await?;
    /// # hub.shutdown().await?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn config(mut self, config: &HostConfig) -> Self {
        config.log();
        apply::config(config, &mut self.name, &mut self.engine, &mut self.worker);
        self.config = Some(Box::new(config.clone()));
        self
    }

    /// Sets the store.
    pub fn backend(mut self, backend: impl Backend) -> Self {
        self.backend = Some(Arc::new(backend));
        self
    }

    /// Adds a function annotated with `#[orchestrator]`.
    pub fn orchestrator<M, F: OrchestratorItem<M>>(mut self, _orchestrator: F) -> Self {
        let added = self.registry.add_orchestrator::<F::Definition>();
        self.note(added)
    }

    /// Adds a function annotated with `#[activity]`.
    pub fn activity<M, F: ActivityItem<M>>(mut self, _activity: F) -> Self {
        let added = self.registry.add_activity::<F::Definition>();
        self.note(added)
    }

    /// Adds every function annotated with `#[orchestrator]` or `#[activity]` that is linked into the program, also from the
    /// crates that it uses. Functions that are added by hand as well count once.
    ///
    /// ```standalone_crate
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// #[orchestrator]
    /// async fn fourth_power(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    ///     let square_of_n = ctx.call_activity(square, n).await?;
    ///     ctx.call_activity(square, square_of_n).await
    /// }
    ///
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let hub = TaskHub::builder().backend(Memory::new()).discover().start().await?;
    /// assert_eq!(hub.client().start(fourth_power, 3).await?.output().await?, 81);
    /// # hub.shutdown().await?;
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    ///
    /// A crate that stands in the program's manifest but is used nowhere is not linked in; `use that_crate as _;` does it.
    pub fn discover(mut self) -> Self {
        self.discovers = true;
        self
    }

    /// Adds a closure or a method as an activity, which is called by its name.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::sync::Arc;
    ///
    /// struct Mailer;
    /// impl Mailer {
    ///     async fn send(&self, to: String) -> Result<(), ActivityError> {
    ///         println!("mail to {to}");
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let mailer = Arc::new(Mailer);
    /// let hub = TaskHub::builder().activity_fn("send_mail", move |to: String| {
    ///     let mailer = Arc::clone(&mailer);
    ///     async move { mailer.send(to).await }
    /// });
    /// ```
    pub fn activity_fn<M, H: ActivityHandler<M>>(mut self, name: &str, handler: H) -> Self {
        let added = self.registry.add_activity_fn(name, handler);
        self.note(added)
    }

    fn note(mut self, added: Result<(), RegistryError>) -> Self {
        if let Err(error) = added {
            self.mistakes.push(error.to_string());
        }
        self
    }

    /// Gives activities a value that they take as a `State<T>` argument. A hub holds one value of each type.
    pub fn state<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        if !self.state.insert(value) {
            let name = std::any::type_name::<T>();
            self.mistakes.push(format!("there are two states of type `{name}`: wrap one of them in a type of its own"));
        }
        self
    }

    /// Limits how many activities run at once; the default is 1,024.
    pub fn max_concurrent_activities(mut self, limit: usize) -> Self {
        self.worker.max_activities = limit;
        self
    }

    /// Limits how long one attempt of an activity may take whose call says nothing; without it there is no limit.
    /// [`ActivityCall::timeout`](crate::orchestration::ActivityCall::timeout) is the limit of one call. This one is not part
    /// of the history, and holds for calls that are already waiting, too.
    pub fn activity_timeout(mut self, timeout: Duration) -> Self {
        self.worker.activity_timeout = Some(timeout);
        self
    }

    /// Sets what a start does with an id that is taken, when the start itself does not say it; the default is
    /// [`IdReusePolicy::replace_finished`]. Children are not concerned.
    pub fn id_reuse(mut self, policy: IdReusePolicy) -> Self {
        self.engine.id_reuse = policy;
        self
    }

    /// Limits how many turns run or are being committed at once; the default is 4,096.
    pub fn max_concurrent_turns(mut self, limit: usize) -> Self {
        self.worker.max_turns = limit;
        self
    }

    /// Limits how many waiting instances stay in memory; the default is 10,000. Others are replayed when they are needed.
    pub fn warm_instances(mut self, limit: usize) -> Self {
        self.worker.warm_instances = limit;
        self.engine.warm_instances = limit;
        self
    }

    /// Limits how many instances that have something to do are in memory; the default is 20,000, and at least 2,000. New ones
    /// beyond that wait in the store for their turn.
    pub fn busy_instances(mut self, limit: usize) -> Self {
        self.engine.busy_instances = limit;
        self
    }

    /// Limits how many activity calls this process holds in memory, running ones included; the default is 524,288, and at least
    /// twice as many as run at once. One instance gets at most a quarter of them. A call takes about 450 bytes and its input.
    /// Further calls wait in the store, which costs a write each.
    pub fn local_activities(mut self, limit: usize) -> Self {
        self.engine.local_activities = limit;
        self
    }

    /// Sets how often an activity is started, and an instance taken over, in processes that died over it before it counts as
    /// poison and fails; the default is 10.
    pub fn max_deliveries(mut self, limit: u32) -> Self {
        self.engine.max_deliveries = limit;
        self
    }

    /// Sets what happens to an instance whose code no longer fits its history; the default is
    /// [`NonDeterminismPolicy::Stall`].
    pub fn non_determinism(mut self, policy: NonDeterminismPolicy) -> Self {
        self.worker.non_determinism = policy;
        self
    }

    /// Sets the version of this deployment. New instances start in it where the orchestrator has it or has no versions; other
    /// orchestrators start in their highest version, as all do without this.
    pub fn version(mut self, version: &str) -> Self {
        match Version::new(version) {
            Ok(version) => self.worker.version = Some(version),
            Err(error) => self.mistakes.push(error.to_string()),
        }
        self
    }

    /// Sets which instances this deployment takes, by their version; the default is [`VersionMatch::Any`]. What it does not
    /// take is treated as [`on_version_mismatch`](Self::on_version_mismatch) says.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_core::worker::{VersionMatch, VersionMismatch};
    ///
    /// let hub = TaskHub::builder()
    ///     .version("2.1")
    ///     .version_match(VersionMatch::CurrentOrOlder)
    ///     .on_version_mismatch(VersionMismatch::Reject);
    /// ```
    pub fn version_match(mut self, strategy: VersionMatch) -> Self {
        self.worker.version_match = strategy;
        self
    }

    /// Sets what happens to an instance whose version this deployment does not have or does not take; the default is
    /// [`VersionMismatch::Reject`]. In a store that several workers share, this one then leaves it to the others.
    pub fn on_version_mismatch(mut self, strategy: VersionMismatch) -> Self {
        self.worker.version_mismatch = strategy;
        self
    }

    /// Sets how large payloads, custom states and histories may become. See [`Limits`].
    ///
    /// ```
    /// use durable_core::model::{Limit, Limits};
    /// use durable_core::prelude::*;
    ///
    /// let mut limits = Limits::default();
    /// limits.payload = Limit::new(64 << 10, 1 << 20); // tells from 64 KiB on, refuses beyond 1 MiB
    /// let hub = TaskHub::builder().limits(limits);
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.worker.limits = limits;
        self.engine.limits = limits;
        self
    }

    /// Sets how long finished instances are kept; the default is for ever. Older ones are removed in the background, and their
    /// ids are free again. See [`Retention`].
    pub fn retention(mut self, retention: Retention) -> Self {
        for status in RuntimeStatus::ALL {
            if retention.age(status).is_some_and(|age| age.is_zero()) {
                let mistake = format!(
                    "it keeps {status} instances for no time, so nobody could see how they ended: keep them for a while"
                );
                self.mistakes.push(mistake);
            }
        }
        self.engine.retention = retention;
        self
    }

    /// Sets which of several waits for the same event gets the next one; the default is [`EventOrder::OldestWait`]. It must
    /// stay the same as long as there are live instances that wait in this way: a replay follows it.
    pub fn event_order(mut self, order: EventOrder) -> Self {
        self.worker.event_order = order;
        self
    }

    /// Sets how often a hub shows that it lives, in a store that several hubs share; the default is 3 seconds. After three times
    /// that without a sign of life others take over what it runs. The same for all hubs of a store is best.
    pub fn heartbeat_interval(mut self, interval: Duration) -> Self {
        self.engine.heartbeat_interval = interval;
        self
    }

    /// Limits how many events one turn takes; the default is 1,000.
    pub fn events_per_turn(mut self, limit: usize) -> Self {
        self.engine.events_per_turn = limit;
        self
    }

    /// Sets how long a shutdown waits for running activities; the default is 30 seconds.
    pub fn drain_timeout(mut self, timeout: Duration) -> Self {
        self.worker.drain_timeout = timeout;
        self
    }

    /// Replaces the system's clock, for tests.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Replaces the source of new ids, for tests.
    pub fn ids(mut self, ids: impl IdSource) -> Self {
        self.ids = Arc::new(ids);
        self
    }

    /// Sees each turn before it is committed, in tests.
    pub fn turn_check(mut self, check: impl TurnCheck) -> Self {
        self.check = Some(Arc::new(check));
        self
    }

    /// Lets other code stand in for functions, in tests. The orchestrators in `names` are known without being registered.
    pub fn stand_ins(mut self, stand_ins: impl StandIns, names: impl IntoIterator<Item = FunctionName>) -> Self {
        self.registry.set_stand_ins(Arc::new(stand_ins));
        names.into_iter().for_each(|name| self.registry.add_name(name));
        self
    }

    /// The code that a hub of this description runs, for tests that run it on recorded histories.
    #[must_use]
    pub fn code(&self) -> Code {
        let mut registry = self.registry.clone();
        if self.discovers {
            // Mistakes are told at the start.
            let _ = registry.discover();
        }
        Code::new(registry, &self.worker)
    }

    /// Opens the store, takes up what earlier processes left, and starts to run.
    ///
    /// # Errors
    ///
    /// [`StartError`] with every mistake of the description: no backend, duplicate or invalid names, state that an activity
    /// asks for and nobody gave. Otherwise why the store does not open.
    pub async fn start(mut self) -> Result<TaskHub, StartError> {
        self.add_discovered();
        self.check_state();
        let http_triggers = self.http_triggers();
        let is_own_backend = self.backend.is_some();
        let backend = self.take_backend()?;
        let (Some(backend), true) = (backend, self.mistakes.is_empty()) else {
            return Err(StartError::mistakes(self.mistakes));
        };
        if let Some(config) = &self.config {
            let mut effective = apply::effective(config, &self.name, &self.engine, &self.worker);
            if is_own_backend {
                effective.in_code("storageProvider.type", &"the program's own");
                effective.in_code("storageProvider.connectionName", &"none");
            }
            effective.log();
        }
        let engine = LocalEngine::attach(self.name, backend, Arc::clone(&self.clock), self.ids, self.engine).await?;
        let orchestrators = self.registry.orchestrator_names().into();
        let activities = self.registry.activity_names().into();
        let worker =
            Worker::start(Arc::new(engine.clone()), self.registry, self.state, self.worker, self.clock, self.check)
                .await?;
        Ok(TaskHub {
            client: Client::new(Arc::new(engine.clone())),
            engine,
            worker: Arc::new(Mutex::new(Some(worker))),
            orchestrators,
            activities,
            http_triggers: http_triggers.into(),
        })
    }

    /// The part of this description on which replays depend, for checks of histories. No store is opened, and nothing runs.
    ///
    /// # Errors
    ///
    /// [`StartError`] with every mistake of the functions.
    pub fn into_code(mut self) -> Result<HubCode, StartError> {
        self.add_discovered();
        if !self.mistakes.is_empty() {
            return Err(StartError::mistakes(self.mistakes));
        }
        Ok(HubCode { registry: self.registry, limits: self.worker.limits, event_order: self.worker.event_order })
    }

    /// The store that was given in code, else that of the configuration, which is opened only when nothing else is wrong.
    fn take_backend(&mut self) -> Result<Option<Arc<dyn Backend>>, StartError> {
        if let Some(backend) = self.backend.take() {
            return Ok(Some(backend));
        }
        let configured = self.config.as_ref().filter(|config| config.storage_type().is_some());
        let Some(config) = configured else {
            let setting = self.config.as_ref().map_or("", |_| ", or set `storageProvider.type` in the configuration");
            self.mistakes.push(format!("it has no backend: add `.backend(Sqlite::open(\"hub.db\")?)`{setting}"));
            return Ok(None);
        };
        if !self.mistakes.is_empty() {
            return Ok(None);
        }
        match config.backend().map_err(StorageError::into_backend) {
            Ok(backend) => Ok(Some(backend)),
            Err(Ok(error)) => Err(error.into()),
            Err(Err(error)) => {
                self.mistakes.push(error.to_string());
                Ok(None)
            }
        }
    }

    /// Only now, so that it does not matter whether a function was added by hand before or after `discover()`.
    fn add_discovered(&mut self) {
        if self.discovers {
            self.mistakes.extend(self.registry.discover().iter().map(ToString::to_string));
        }
    }

    fn http_triggers(&mut self) -> Vec<HttpTrigger> {
        self.registry.http_triggers(self.worker.version.as_ref()).unwrap_or_else(|error| {
            self.mistakes.push(error.to_string());
            Vec::new()
        })
    }

    fn check_state(&mut self) {
        for (activity, key) in self.registry.required_state() {
            if !self.state.contains(*key) {
                let name = key.type_name();
                let mistake =
                    format!("activity '{activity}' needs state of type `{name}`: add `.state(value)` with one");
                self.mistakes.push(mistake);
            }
        }
    }
}

impl fmt::Debug for TaskHubBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskHubBuilder")
            .field("name", &self.name)
            .field("registry", &self.registry)
            .field("mistakes", &self.mistakes)
            .finish_non_exhaustive()
    }
}
