//! A world for tests: the real engine on virtual time.

mod answers;
mod assert;
mod builder;
pub mod chaos;
mod client;
mod complaints;
mod core;
mod crash;
mod cut;
mod deadlock;
mod difference;
mod execution;
mod executions;
mod explore;
mod gate;
mod golden;
mod growth;
mod held;
mod ids;
mod instance;
mod journal;
mod json;
mod leaks;
mod ledger;
mod live;
mod logs;
mod masked;
mod mock;
mod mock_runs;
mod mock_tables;
mod mocks;
mod orders;
mod past;
mod shapes;
mod snapshot;
mod stand_ins;
mod store;
mod texts;
mod time;
mod timeline;
mod travel;
mod travel_error;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::activity::{ActivityDefinition, ActivityItem};
use durable_core::client::Client;
use durable_core::model::{FunctionName, InstanceId, Timestamp};
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorFn, OrchestratorItem};

use self::builder::activity_shape;
use self::client::WorldClient;
use self::core::Core;
use self::mock::Kind;
use self::time::Time;
use crate::or_fail::OrFail as _;

pub use self::assert::{EventType, Expected, History, expect_history};
pub use self::builder::WorldBuilder;
pub use self::deadlock::{Deadlock, Stuck};
pub use self::execution::Execution;
pub use self::explore::{Explored, Explorer, explore, explore_with};
pub use self::growth::{ExecutionGrowth, Growth, LargePayload, TurnGrowth};
pub use self::instance::Instance;
pub use self::leaks::{Leak, LeakKind};
pub use self::logs::LogEvent;
pub use self::mock::Mock;
pub use self::mocks::MockCall;
pub use self::snapshot::Snapshot;
#[cfg(feature = "sqlite")]
pub use self::store::on_every_store;
pub use self::timeline::Timeline;
pub use self::travel_error::TravelError;

/// A task hub on virtual time: orchestrations run on the real engine and an in-memory store, or any other, and time passes
/// only when the test asks for it.
///
/// After every call everything has happened that can happen at this time. [`advance`](Self::advance) lets time pass, and all
/// that is due meanwhile happens in its order, each at its own time. So a test reads like the story:
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::World;
/// use std::time::Duration;
///
/// const DAY: Duration = Duration::from_secs(24 * 3600);
///
/// #[activity]
/// async fn remind(person: String) -> Result<(), ActivityError> { println!("{person}?"); Ok(()) }
///
/// #[orchestrator]
/// async fn approval(ctx: OrchestrationContext, person: String) -> Result<bool, OrchestratorError> {
///     let answer = ctx.wait_for_external_event::<bool>("Approval");
///     let reminder = ctx.create_timer(3 * DAY);
///     match select(answer, reminder).await {
///         Either::Left((answer, _)) => Ok(answer?),
///         Either::Right(((), answer)) => {
///             ctx.call_activity(remind, person).await?;
///             answer.await
///         }
///     }
/// }
///
/// let world = World::builder().orchestrator(approval).build();
/// let reminders = world.mock(remind);
/// reminders.returns(());
///
/// let run = world.start(approval, "Ada".to_owned());
/// world.advance(2 * DAY);
/// reminders.assert_never_called();
/// world.advance(DAY);
/// reminders.assert_called_once_with("Ada".to_owned());
/// assert!(!run.is_finished());
/// run.raise("Approval", &true);
/// assert_eq!(run.output(), true);
/// ```
///
/// Nothing is shared between worlds: any number of them run in parallel, in a plain `#[test]` as well as in a
/// `#[tokio::test]`, without a port, a thread that stays, or a file. The same calls give the same story each time, also
/// with the same generated ids and random numbers: they follow from a [seed](WorldBuilder::seed).
///
/// # Activities and sub-orchestrations
///
/// Real ones are added with [`WorldBuilder::activity`] and [`WorldBuilder::orchestrator`], and others are [mocked](Self::mock): a
/// sub-orchestration is [declared](WorldBuilder::mocked_orchestrator) for that. A call of one that is neither fails the test, with
/// the line of the call, and does not only fail in the orchestrator, which may expect failures.
///
/// The sleeps of tokio are virtual in a world, so a real activity that sleeps for an hour takes an hour of the world, and none of
/// the test. One that waits for something outside, a socket for example, has no place in it.
///
/// # Always-on checks
///
/// Each of the first 64 turns of an execution, those at doublings and the last one are run once more by a fresh executor on
/// the stored history; each of the first 8 turns by four of them. What differs, by a clock, the order of a `HashMap` or a random
/// number, fails the test and says where the calls were made. [`WorldBuilder::exhaustive`] does so for every turn. What is alive
/// when the world is dropped is replayed then, if it has had turns since.
///
/// These runs follow each other within microseconds. A clock that is read in whole seconds, or the day of today, says the same in
/// all of them, and so does what the environment of the process says. [`replay_tests!`](crate::replay_tests) finds such code: it
/// runs it on histories that were recorded earlier, elsewhere.
///
/// Each check can be off alone, where a test is about what it finds:
///
/// | What fails the test | unless |
/// |---|---|
/// | the history before a turn cannot be replayed | [`without_cold_replay_checks`](WorldBuilder::without_cold_replay_checks) |
/// | a turn that is run again does something else | [`without_double_execution_checks`](WorldBuilder::without_double_execution_checks) |
/// | an instance stalls: its code is missing, or does not fit | [`without_stall_checks`](WorldBuilder::without_stall_checks) |
/// | one awaits what is not durable | [`without_foreign_await_checks`](WorldBuilder::without_foreign_await_checks) |
/// | a child is called that is not known | [`without_missing_child_checks`](WorldBuilder::without_missing_child_checks) |
/// | a value does not survive JSON | [`without_round_trip_checks`](WorldBuilder::without_round_trip_checks) |
/// | a call was not awaited, an event not read | [`without_leak_checks`](WorldBuilder::without_leak_checks) |
///
/// # Other ends, and faults
///
/// A world can be [copied](Self::fork) at any point and go back to [any point](Self::at) of a history, into [earlier
/// executions](Self::at_execution) or to [any time](Self::at_time), with all of its instances, also from histories that were
/// [recorded in production](WorldBuilder::from_histories). Its process can [die](Self::crash), and its store can
/// [fail](Self::faults); [`chaos::every_crash_point`] does both at every commit of a story.
/// Several processes on one store are a [fleet](crate::fleet).
/// An instance that stalls or awaits what is not durable fails the test at once, unless the world
/// [allows it](WorldBuilder::allows_stalls). Inputs and outputs of functions that the world was given are read from their JSON
/// form and written again: a type that does not survive that fails the test.
///
/// Its instances are in memory, or in [any other backend](WorldBuilder::backend), to which all of that happens as well: with the
/// feature `sqlite`, `WorldBuilder::sqlite` has them in a file, and `on_every_store` runs a story in memory and in a file.
///
/// When a world is dropped, the test fails for calls of activities and children that were never awaited, up to the end of their
/// orchestration and without being [detached](durable_core::orchestration::ActivityCall::detach), and for external events that a
/// completed instance has not read; [`WorldBuilder::without_leak_checks`] lets them be. Where the test fails for another
/// reason, they are printed beside it: mostly they are why. [`finish`](Self::finish) ends a world and is stricter.
///
/// A test that waits for what never comes tells what each live instance [waits](Self::waits) for, at which line, and which events
/// it has not read. Complaints lead to the line of the call. Of each instance the first one is told, since others mostly follow
/// from it; [`WorldBuilder::all_complaints`] shows them all.
///
/// # Evidence
///
/// What has happened can be [asserted](crate::assert_history), compared with [golden files](Self::assert_golden) as text or
/// [JSON](Self::snapshot_json), and looked at over [time](Self::timeline), in [logs](Self::logs) and by how histories
/// [grow](Self::growth).
///
/// # Time
///
/// The clock has a resolution of a millisecond. Whatever is due in the same one happens in the order in which it was set.
#[derive(Clone)]
pub struct World(Arc<Core>);

impl World {
    /// Starts to describe a world.
    pub fn builder() -> WorldBuilder {
        WorldBuilder::new()
    }

    fn of(core: Arc<Core>) -> Self {
        Self(core)
    }

    /// A client of this world, for code that takes one. It is the same trait as in production. Its `wait` lets time pass, up to
    /// its timeout; without one, up to the end of the instance, and it is an error when that never comes.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(Arc::new(WorldClient(Arc::clone(&self.0))))
    }

    /// Starts an orchestration, given as the annotated function or by name.
    ///
    /// # Panics
    ///
    /// When it cannot be started. [`client`](Self::client) gives the error, and has more options.
    #[track_caller]
    #[must_use]
    pub fn start<M, F: OrchestratorFn<M>>(&self, orchestrator: F, input: F::Input) -> Instance<F::Output>
    where
        F::Input: Send,
    {
        let client = self.client();
        self.started(client.start(orchestrator, input))
    }

    /// Starts an orchestration under an id.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[track_caller]
    #[must_use]
    pub fn start_as<M, F: OrchestratorFn<M>>(&self, id: &str, orchestrator: F, input: F::Input) -> Instance<F::Output>
    where
        F::Input: Send,
    {
        let client = self.client();
        self.started(client.start(orchestrator, input).id(id))
    }

    /// Makes a start that its [client](Self::client) describes: with tags, under a version, at a later time.
    ///
    /// ```
    /// # use durable_core::prelude::*;
    /// # use durable_testing::World;
    /// # use std::time::Duration;
    /// #[orchestrator]
    /// async fn report(_ctx: OrchestrationContext, month: u32) -> u32 { month }
    ///
    /// let world = World::builder().orchestrator(report).build();
    /// let client = world.client();
    /// let run = world.started(client.start(report, 11).tag("tenant", "a").delay(Duration::from_secs(3600)));
    /// assert_eq!(run.output(), 11);
    /// assert_eq!(world.elapsed(), Duration::from_secs(3600));
    /// ```
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[track_caller]
    #[must_use]
    pub fn started<O>(&self, start: durable_core::client::Start<'_, O>) -> Instance<O> {
        let handle = block_on(start.into_future()).or_fail(|error| format!("the start failed: {error:?}"));
        self.0.object();
        Instance::new(Arc::clone(&self.0), handle.id().clone())
    }

    /// An instance that is there, whose output is an `O`.
    ///
    /// # Panics
    ///
    /// When the text is no id.
    #[track_caller]
    #[must_use]
    pub fn instance<O>(&self, id: &str) -> Instance<O> {
        let id = InstanceId::new(id).or_fail(|error| error.to_string());
        Instance::new(Arc::clone(&self.0), id)
    }

    /// The time in this world.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.0.now()
    }

    /// How much time has passed since the world began.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now().saturating_since(self.0.plan.start)
    }

    /// Lets so much time pass. All that is due meanwhile happens in its order, each at its own time, with all that follows from
    /// it.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    pub fn advance(&self, time: Duration) {
        drop(self.0.hub());
        self.0.time.pass(time);
        self.0.object();
    }

    /// Lets time pass up to the next thing that is due, and gives how much that was; `None` when nothing is.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it does something, and a test may not care what came of it")]
    pub fn advance_to_next(&self) -> Option<Duration> {
        drop(self.0.hub());
        let before = self.now();
        let was_due = self.0.time.pass_to_next(Time::NO_LIMIT);
        self.0.object();
        was_due.then(|| self.now().saturating_since(before))
    }

    /// Lets time pass until `reached` is true: it is asked after each thing that was due.
    ///
    /// # Errors
    ///
    /// Nothing is due any more, and it is still false: what each live instance waits for.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    pub fn run_until(&self, mut reached: impl FnMut(&Self) -> bool) -> Result<(), Deadlock> {
        while !reached(self) {
            if self.advance_to_next().is_none() {
                return if reached(self) { Ok(()) } else { Err(Deadlock::of(&self.0)) };
            }
        }
        Ok(())
    }

    /// Does everything that can happen at this time. Every call does so by itself; this one is for code that has changed the
    /// world behind its back.
    ///
    /// # Panics
    ///
    /// When a check fails meanwhile.
    #[track_caller]
    pub fn run_until_blocked(&self) {
        self.0.settle();
        self.0.object();
    }

    /// Runs code inside of this world, as a handler of requests in its process would run, and gives its output. Several calls of
    /// its [clients](Self::client) can be under way at the same time, and its sleeps are virtual. Time passes as long as it waits.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     ctx.wait_for_external_event("Approval").await
    /// }
    ///
    /// let world = World::builder().orchestrator(approval).build();
    /// let client = world.client();
    /// let starts = world.run_inside(join_all((0..10).map(|_| client.start(approval, ()).id("one").into_future())));
    /// assert_eq!(starts.iter().filter(|start| start.is_ok()).count(), 1);
    /// ```
    ///
    /// # Panics
    ///
    /// When it waits for ever, when the process dies meanwhile, and when a check fails.
    #[track_caller]
    pub fn run_inside<T: Send>(&self, code: impl Future<Output = T> + Send) -> T {
        drop(self.0.hub());
        let deaths = self.0.mishaps.deaths();
        let (mut code, mut output) = (std::pin::pin!(code), None);
        while output.is_none() {
            let run = async { output = Some(code.as_mut().await) };
            let passed = self.0.time.pass_many(run, Time::NO_LIMIT);
            self.0.object();
            assert!(output.is_some() || deaths == self.0.mishaps.deaths(), "the process died, and this code with it");
            if output.is_none() && passed == time::Passed::NothingDue {
                panic!("the code waits for ever, {}", self.waits());
            }
        }
        output.unwrap_or_else(|| unreachable!("the loop ends with an output"))
    }

    /// The answers of a mocked activity, given as the annotated function. From now on they go before the real one.
    ///
    /// # Panics
    ///
    /// Never: the annotation has checked the name.
    pub fn mock<M, F: ActivityItem<M>>(
        &self,
        _activity: F,
    ) -> Mock<<F::Definition as ActivityDefinition>::Input, <F::Definition as ActivityDefinition>::Output> {
        let (name, shape) = activity_shape::<F::Definition>();
        self.0.mocks.knows(&name, shape);
        Mock::new(Arc::clone(&self.0.mocks), name, Kind::Activity)
    }

    /// The answers of a mocked activity, by its name.
    ///
    /// # Panics
    ///
    /// When it is no name.
    #[track_caller]
    #[must_use]
    pub fn mock_named(&self, activity: &str) -> Mock<serde_json::Value, serde_json::Value> {
        let name = FunctionName::new(activity).or_fail(|error| error.to_string());
        Mock::new(Arc::clone(&self.0.mocks), name, Kind::Activity)
    }

    /// The answers of a mocked sub-orchestration, which must be known to the world: added, or declared with
    /// [`WorldBuilder::mocked_orchestrator`]. Instances that have begun keep the code that they began with.
    ///
    /// # Panics
    ///
    /// When the world does not know it.
    #[track_caller]
    pub fn mock_orchestrator<M, F: OrchestratorItem<M>>(
        &self,
        _orchestrator: F,
    ) -> Mock<<F::Definition as OrchestratorDefinition>::Input, <F::Definition as OrchestratorDefinition>::Output> {
        let name =
            FunctionName::new(<F::Definition as OrchestratorDefinition>::NAME).expect("checked by its annotation");
        assert!(
            self.0.knows_orchestrator(&name),
            "the world does not know orchestrator '{name}', so that no call would reach its mock: declare it with \
             `.mocked_orchestrator({name})`, or add it with `.orchestrator({name})`, before `build`"
        );
        Mock::new(Arc::clone(&self.0.mocks), name, Kind::Orchestrator)
    }

    /// Every call that reached a mock, in order.
    #[must_use]
    pub fn mock_calls(&self) -> Vec<MockCall> {
        self.0.mocks.calls()
    }

    /// What live instances wait for.
    #[must_use]
    pub fn waits(&self) -> Deadlock {
        Deadlock::of(&self.0)
    }
}

/// Runs a future of the world's client: it does everything when it is polled, and never waits.
fn block_on<T>(future: impl Future<Output = T>) -> T {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop())) {
        std::task::Poll::Ready(output) => output,
        std::task::Poll::Pending => unreachable!("the client of a world answers at once"),
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("now", &self.now()).finish_non_exhaustive()
    }
}
