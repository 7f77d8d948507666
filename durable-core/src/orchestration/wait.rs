//! The future of a wait for an external event.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::hold::Hold;
use crate::failure::OrchestratorError;
use crate::model::{EVENT_TIMEOUT_ERROR_TYPE, EventName, FailureDetails, SourceLocation};
use crate::replay::{LeafId, ReplayHandle};

/// A wait for an external event. It stands in the queue from the moment it was made.
#[must_use = "dropping a wait takes it out of the queue: await it"]
pub struct EventWait<T> {
    handle: ReplayHandle,
    name: Option<EventName>,
    hold: Hold,
    default: Option<T>,
    output: PhantomData<fn() -> T>,
}

/// Nothing of a wait is ever pinned.
impl<T> Unpin for EventWait<T> {}

impl<T> EventWait<T> {
    pub(super) fn new(handle: ReplayHandle, leaf: Option<LeafId>, name: EventName) -> Self {
        Self { handle, name: Some(name), hold: Hold::new(leaf), default: None, output: PhantomData }
    }

    pub(super) fn refused(handle: ReplayHandle, failure: FailureDetails) -> Self {
        Self { handle, name: None, hold: Hold::Refused(Box::new(failure)), default: None, output: PhantomData }
    }

    /// Ends the wait after `timeout`, counted from now. Event and timeout race where they arrive, not where the code looks:
    /// whichever comes first in the history wins. When the event is there already, no timer is set.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     let day = Duration::from_secs(24 * 3600);
    ///     match ctx.wait_for_external_event("Approval").timeout(day).await {
    ///         Err(error) if error.is_timeout() => Ok(false),
    ///         other => other,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the wait fails with the type `EventTimeout` when no event comes in time. See
    /// [`OrchestratorError::is_timeout`].
    ///
    /// # Determinism
    ///
    /// The duration must be the same in every replay.
    ///
    /// # History
    ///
    /// `TimerCreated`, and `TimerFired` or, when the event comes or the wait is dropped, `TaskCanceled`.
    #[track_caller]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        let fire_at = self.handle.now().saturating_add(timeout);
        if let Hold::Leaf(leaf) = self.hold
            && let Err(failure) = self.handle.limit_wait(leaf, fire_at, SourceLocation::caller())
        {
            self.hold.release(&self.handle);
            self.hold = Hold::Refused(failure);
            self.name = None;
        }
        self
    }

    /// Like [`timeout`](Self::timeout), and gives `default` when no event comes in time.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
    ///     ctx.wait_for_external_event("Approval").timeout_or(Duration::from_secs(24 * 3600), false).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the wait fails when the payload of the event is no `T`.
    ///
    /// # Determinism
    ///
    /// The duration must be the same in every replay.
    ///
    /// # History
    ///
    /// `TimerCreated`, and `TimerFired` or, when the event comes or the wait is dropped, `TaskCanceled`.
    #[track_caller]
    pub fn timeout_or(self, timeout: Duration, default: T) -> Self {
        let mut wait = self.timeout(timeout);
        wait.default = Some(default);
        wait
    }
}

impl<T: DeserializeOwned> Future for EventWait<T> {
    type Output = Result<T, OrchestratorError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let result = ready!(this.hold.poll(&this.handle, cx));
        let name = this.name.as_ref().map_or("", |name| name.as_str());
        Poll::Ready(match result {
            Ok(payload) => payload.decode().map_err(|error| {
                let cause = FailureDetails::from_error("InvalidPayload", &error);
                let message = format!("the payload of event '{name}' is no `{}`", std::any::type_name::<T>());
                FailureDetails::new("InvalidEvent", message).non_retriable().caused_by(cause).into()
            }),
            Err(failure) if failure.error_type == EVENT_TIMEOUT_ERROR_TYPE => match this.default.take() {
                Some(default) => Ok(default),
                None => {
                    let message = format!("no event '{name}' arrived in time");
                    Err(FailureDetails::new(EVENT_TIMEOUT_ERROR_TYPE, message).into())
                }
            },
            Err(failure) => Err(failure.into()),
        })
    }
}

impl<T> Drop for EventWait<T> {
    fn drop(&mut self) {
        self.hold.release(&self.handle);
    }
}

impl<T> fmt::Debug for EventWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("name", &self.name).finish_non_exhaustive()
    }
}
