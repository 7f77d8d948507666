//! The context of an orchestrator.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{ActivityCall, EventWait, Map, Timer};
use crate::activity::ActivityFn;
use crate::failure::OrchestratorError;
use crate::history::{Action, TaskOptions};
use crate::model::{EventName, FailureDetails, FunctionName, InstanceId, Payload, SourceLocation, Timestamp};
use crate::replay::{DurableRng, ReplayHandle};

/// What an orchestrator uses to call activities, wait, and reach deterministic time, ids and random numbers. Cloning is
/// cheap.
///
/// Every call is hot: it takes its sequence number and is emitted when it is made, not when it is first awaited. So two
/// calls run in parallel when both are made before the first is awaited.
///
/// A context works only inside the orchestrator's own code and the functions that it awaits. Use in a spawned task or a
/// thread fails the instance.
#[derive(Debug, Clone)]
pub struct OrchestrationContext {
    handle: ReplayHandle,
}

impl OrchestrationContext {
    pub(crate) fn new(handle: ReplayHandle) -> Self {
        Self { handle }
    }

    /// The id of this instance.
    #[must_use]
    pub fn instance_id(&self) -> &InstanceId {
        &self.handle.header().instance
    }

    /// The name under which this orchestrator was started.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.handle.header().name
    }

    /// The present time, the same in every replay.
    ///
    /// It is the time at which the current turn started; it moves on only when the orchestrator has waited for something.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.handle.now()
    }

    /// True while the code repeats what it did before. Use it to mute logs and metrics, never to choose what to do.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.handle.is_replaying()
    }

    /// Calls an activity, given as the annotated function or by name.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn square(n: u64) -> u64 {
    ///     n * n
    /// }
    ///
    /// #[orchestrator]
    /// async fn sum_of_squares(ctx: OrchestrationContext, n: u64) -> Result<u64, OrchestratorError> {
    ///     let squares = (0..n).map(|i| ctx.call_activity(square, i));
    ///     let by_name: u64 = ctx.call_activity("square", n).await?;
    ///     Ok(try_join_all(squares).await?.into_iter().sum::<u64>() + by_name)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the call fails when the activity fails or panics, when no activity has the name, and when input or
    /// result do not fit their types. See [`OrchestratorError`].
    ///
    /// # Determinism
    ///
    /// Name and input must be the same in every replay.
    ///
    /// # History
    ///
    /// `TaskScheduled` with the turn that makes the call, `TaskCompleted` or `TaskFailed` when it is done, `TaskCanceled`
    /// when the call is dropped before that.
    #[expect(clippy::needless_pass_by_value, reason = "a caller gives the function and its input away")]
    #[track_caller]
    pub fn call_activity<M, F: ActivityFn<M>>(&self, activity: F, input: F::Input) -> ActivityCall<F::Output> {
        let source = SourceLocation::caller();
        match prepare(&activity, &input) {
            Ok((name, input)) => {
                let leaf = self.handle.act(Action::ScheduleTask {
                    name: name.clone(),
                    input,
                    options: TaskOptions::default(),
                    source,
                });
                ActivityCall::new(self.handle.clone(), name, leaf)
            }
            Err(failure) => ActivityCall::refused(self.handle.clone(), failure),
        }
    }

    /// Makes a call for each item, all of them at once or a few at a time.
    ///
    /// `call` gives any future of a `Result`: a call, or an `async` block of several steps. The future that is returned
    /// gives the values in the order of the items.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn shrink(image: u64) -> u64 {
    ///     image / 2
    /// }
    ///
    /// #[orchestrator]
    /// async fn album(ctx: OrchestrationContext, images: Vec<u64>) -> Result<Vec<u64>, OrchestratorError> {
    ///     ctx.map(images, |image| ctx.call_activity(shrink, image)).concurrency(8).await
    /// }
    /// ```
    ///
    /// Without [`concurrency`](Map::concurrency), all calls are made at once. With it, the next one is made when one is
    /// done. A call is hot, but the map is not: it makes its first calls when it is first awaited.
    ///
    /// # Errors
    ///
    /// The error that comes first in the history. It ends the map: no further calls are made, and those that are open are
    /// dropped, which cancels them. With [`settle`](Map::settle), every item has its own result.
    ///
    /// # Cancel safety
    ///
    /// Dropping the map cancels what is open, and makes no further calls.
    ///
    /// # Determinism
    ///
    /// The items must be the same in every replay and have the same order: do not take them from a `HashMap`. Which call
    /// comes next follows from the order in which calls are done in the history.
    ///
    /// # History
    ///
    /// Only that of the calls.
    pub fn map<I, C, R>(&self, items: I, call: C) -> Map<I::IntoIter, C, R>
    where
        I: IntoIterator,
        C: FnMut(I::Item) -> R,
        R: IntoFuture,
    {
        Map::new(items.into_iter(), call)
    }

    /// Sets a durable timer that fires after `duration`, counted from [`now`](Self::now). Timers may be of any length.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn remind(ctx: OrchestrationContext) -> Result<(), OrchestratorError> {
    ///     ctx.create_timer(Duration::from_secs(3 * 24 * 3600)).await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # History
    ///
    /// `TimerCreated` with the turn that makes the call, `TimerFired` when it is due, `TaskCanceled` when it is dropped
    /// before that.
    #[track_caller]
    pub fn create_timer(&self, duration: Duration) -> Timer {
        self.create_timer_at(self.now().saturating_add(duration))
    }

    /// Sets a durable timer that fires at `fire_at`; at once when that has passed. See [`create_timer`](Self::create_timer).
    #[track_caller]
    pub fn create_timer_at(&self, fire_at: Timestamp) -> Timer {
        let source = SourceLocation::caller();
        let leaf = self.handle.act(Action::CreateTimer { fire_at, source });
        Timer::new(self.handle.clone(), fire_at, leaf)
    }

    /// Waits for the next external event of this name; names compare without regard to ASCII case.
    ///
    /// Events are kept from the start of the instance on, and each is given to exactly one wait: the oldest event to the
    /// oldest wait. A wait that is dropped leaves the queue, and an event that it had received but never showed to the
    /// code goes to the next wait.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     let decision = ctx.wait_for_external_event::<bool>("Approval");
    ///     let timeout = ctx.create_timer(Duration::from_secs(24 * 3600));
    ///     match select(decision, timeout).await {
    ///         Either::Left((approved, _)) => approved,
    ///         Either::Right(((), _)) => Ok(false),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it fails when the payload is no `T`; the event is used up then. It fails at once when the name is not
    /// valid.
    ///
    /// # History
    ///
    /// None for the wait. `EventRaised` when an event arrives.
    pub fn wait_for_external_event<T: DeserializeOwned>(&self, name: &str) -> EventWait<T> {
        match EventName::new(name) {
            Ok(name) => EventWait::new(self.handle.clone(), self.handle.wait_for_event(&name), name),
            Err(error) => EventWait::refused(self.handle.clone(), FailureDetails::from_error("InvalidName", &error)),
        }
    }

    /// Shows a value to clients that ask for this instance's status, from the end of the current turn on.
    ///
    /// # Errors
    ///
    /// The value has no JSON form.
    ///
    /// # History
    ///
    /// None: the last value is stored with the instance.
    pub fn set_custom_status<T: Serialize + ?Sized>(&self, status: &T) -> Result<(), OrchestratorError> {
        self.handle.set_custom_status(Some(Payload::encode(status)?));
        Ok(())
    }

    /// A new GUID, the same in every replay. It equals the one that the .NET SDK would make.
    ///
    /// # Determinism
    ///
    /// Calls count: an additional call shifts those that follow it in the same turn.
    #[must_use = "each call counts in replays, so an unused one is a mistake"]
    pub fn new_guid(&self) -> Uuid {
        self.handle.new_guid()
    }

    /// Random numbers that are the same in every replay.
    #[must_use]
    pub fn rng(&self) -> DurableRng {
        self.handle.rng("")
    }

    /// A separate stream of random numbers. Draws from one stream do not shift those of another.
    #[must_use]
    pub fn rng_stream(&self, name: &str) -> DurableRng {
        self.handle.rng(name)
    }
}

fn prepare<M, F: ActivityFn<M>>(activity: &F, input: &F::Input) -> Result<(FunctionName, Payload), FailureDetails> {
    let name = activity.name().map_err(|error| FailureDetails::from_error("InvalidName", &error))?;
    let input = Payload::encode(input).map_err(|error| {
        let cause = FailureDetails::from_error("InvalidPayload", &error);
        FailureDetails::new("InvalidInput", format!("the input of activity '{name}' has no JSON form"))
            .non_retriable()
            .caused_by(cause)
    })?;
    Ok((name, input))
}
