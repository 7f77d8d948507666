//! The context of an orchestrator.

mod calls;
mod events;
mod fan_out;
mod identity;

use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::Timer;
use crate::failure::OrchestratorError;
use crate::model::{Payload, SourceLocation, Timestamp};
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
    /// # Determinism
    ///
    /// The duration must be the same in every replay.
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
        let leaf = self.handle.create_timer(fire_at, source);
        Timer::new(self.handle.clone(), fire_at, leaf)
    }

    /// Shows a value to clients that ask for this instance's status, from the end of the current turn on.
    ///
    /// # Errors
    ///
    /// The value has no JSON form, or is larger than the limit for custom states.
    ///
    /// # History
    ///
    /// None: the last value is stored with the instance.
    pub fn set_custom_status<T: Serialize + ?Sized>(&self, status: &T) -> Result<(), OrchestratorError> {
        let status = Payload::encode(status)?;
        let limit = self.handle.limits().custom_status;
        self.handle.check_size(limit, status.as_str().len(), || {
            format!("the custom status of instance '{}'", self.handle.header().instance)
        })?;
        self.handle.set_custom_status(Some(status));
        Ok(())
    }

    /// True when the code may take a new branch: when this place is reached by an instance for the first time. An instance
    /// that has passed it with the old code gets false, and stays on the old branch.
    ///
    /// The first answer for an id stands for the whole execution, also at other places.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn old_check(n: u64) -> bool { n > 0 }
    ///
    /// #[activity]
    /// async fn new_check(n: u64) -> bool { n > 1 }
    ///
    /// #[orchestrator]
    /// async fn check(ctx: OrchestrationContext, n: u64) -> Result<bool, OrchestratorError> {
    ///     if ctx.patched("stricter-check") {
    ///         ctx.call_activity(new_check, n).await
    ///     } else {
    ///         ctx.call_activity(old_check, n).await
    ///     }
    /// }
    /// ```
    ///
    /// # Determinism
    ///
    /// The call may be added to code at any time. When no instance of the old code is left, replace it by
    /// [`deprecate_patch`](Self::deprecate_patch).
    ///
    /// # History
    ///
    /// `MarkerRecorded` when the answer is true. It takes no sequence number.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        self.handle.patched(id)
    }

    /// Stands where [`patched`](Self::patched) stood when only the new branch is left. Instances whose history has the patch
    /// go on with code that no longer asks for it.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[orchestrator]
    /// async fn check(ctx: OrchestrationContext, n: u64) -> Result<bool, OrchestratorError> {
    ///     ctx.deprecate_patch("stricter-check");
    ///     Ok(n > 1)
    /// }
    /// ```
    ///
    /// # Determinism
    ///
    /// Take it out when no instance with the patch in its history is left.
    ///
    /// # History
    ///
    /// None.
    pub fn deprecate_patch(&self, id: &str) {
        self.handle.deprecate_patch(id);
    }

    /// True when the history has become so long that it is time to start over, as the soft limit for histories says. Once
    /// true it stays so.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn monitor(ctx: OrchestrationContext, mut rounds: u64) -> Result<Next<(), u64>, OrchestratorError> {
    ///     while !ctx.continue_as_new_suggested() {
    ///         ctx.create_timer(Duration::from_secs(60)).await;
    ///         rounds += 1;
    ///     }
    ///     Ok(Next::continue_as_new(rounds))
    /// }
    /// ```
    ///
    /// # Determinism
    ///
    /// A replay answers as the history says, whatever the limit is by then.
    ///
    /// # History
    ///
    /// `MarkerRecorded` with the turn that first answers true. It takes no sequence number.
    #[must_use]
    pub fn continue_as_new_suggested(&self) -> bool {
        self.handle.continue_as_new_suggested()
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
