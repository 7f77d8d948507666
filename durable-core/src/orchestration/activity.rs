//! The future of an activity call.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::hold::{RawCall, Template};
use super::retry::{self, RetryContext, RetryPolicy};
use crate::failure::OrchestratorError;
use crate::history::{Action, TaskOptions};
use crate::model::{FailureDetails, FunctionName};
use crate::replay::ReplayHandle;

/// A call of an activity. It runs from the moment it was made; awaiting it gives its result.
///
/// Dropping it before it is done cancels the activity, best-effort: one that has not started never will, one that runs is
/// told through its context. [`detach`](Self::detach) lets it run on its own.
///
/// Options are part of the call, which the current turn commits: set them before anything is awaited. An option that comes
/// later makes the call fail with the type `LateOption`.
#[must_use = "dropping a call cancels it: await it, or `.detach()` it"]
pub struct ActivityCall<T> {
    name: Option<FunctionName>,
    call: RawCall,
    output: PhantomData<fn() -> T>,
}

impl<T> ActivityCall<T> {
    pub(super) fn new(name: FunctionName, call: RawCall) -> Self {
        Self { name: Some(name), call, output: PhantomData }
    }

    pub(super) fn refused(handle: &ReplayHandle, failure: Box<FailureDetails>) -> Self {
        Self { name: None, call: RawCall::refused(handle, failure), output: PhantomData }
    }

    /// Tries the activity again when it fails, as the policy says.
    ///
    /// Attempts go on by themselves, also while nobody awaits the call. Dropping the call cancels the attempt, or the timer
    /// before the next one.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> {
    ///     Ok(amount)
    /// }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ///     let policy = RetryPolicy::exponential(5, Duration::from_secs(1)).max_interval(Duration::from_secs(60));
    ///     ctx.call_activity(charge, amount).retry(policy).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the failure of the last attempt.
    ///
    /// # Determinism
    ///
    /// Numbers and order of the attempts come from the history. Changing a policy changes what running instances do.
    ///
    /// # History
    ///
    /// `TaskScheduled` and `TaskFailed` for each attempt, `TimerCreated` and `TimerFired` between them.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        retry::with_policy(&mut self.call, policy);
        self
    }

    /// Asks a handler after each failure whether to try again. It may await timers and calls of the context that it gets.
    /// A handler that says no, or panics, lets the failure stand; so does a failure that says it is not retriable.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[activity]
    /// async fn charge(amount: u64) -> Result<u64, ActivityError> {
    ///     Ok(amount)
    /// }
    ///
    /// #[orchestrator]
    /// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
    ///     let again = |failed: RetryContext| async move {
    ///         failed.ctx.create_timer(Duration::from_secs(u64::from(failed.attempt))).await;
    ///         failed.attempt < 3
    ///     };
    ///     ctx.call_activity(charge, amount).retry_with(again).await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the failure of the last attempt.
    ///
    /// # Determinism
    ///
    /// The handler runs in every replay, and is bound by the rules for orchestrators.
    ///
    /// # History
    ///
    /// `TaskScheduled` and `TaskFailed` for each attempt, and what the handler does.
    pub fn retry_with<H, R>(mut self, handler: H) -> Self
    where
        H: Fn(RetryContext) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        retry::with_handler(&mut self.call, handler);
        self
    }

    /// Limits how long one attempt may take.
    ///
    /// # Errors
    ///
    /// Awaiting the call fails when the attempt takes longer. A retry policy may try again.
    ///
    /// # History
    ///
    /// It is stored with `TaskScheduled`.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.call.amend("timeout", options(|options| options.timeout = Some(timeout)));
        self
    }

    /// Limits how long one attempt may go without a heartbeat.
    ///
    /// # Errors
    ///
    /// Awaiting the call fails when the attempt is silent for longer. A retry policy may try again.
    ///
    /// # History
    ///
    /// It is stored with `TaskScheduled`.
    pub fn heartbeat_timeout(mut self, timeout: Duration) -> Self {
        self.call.amend("heartbeat_timeout", options(|options| options.heartbeat_timeout = Some(timeout)));
        self
    }

    /// Gives the result up and lets the activity run, also beyond the end of the orchestration. A retried call makes its
    /// further attempts until then.
    pub fn detach(self) {
        self.call.detach();
    }
}

fn options(change: impl Fn(&mut TaskOptions)) -> impl Fn(&mut Template) {
    move |template| {
        if let Action::ScheduleTask { options, .. } = &mut template.action {
            change(options);
        }
    }
}

impl<T: DeserializeOwned> Future for ActivityCall<T> {
    type Output = Result<T, OrchestratorError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let is_refused = this.call.is_refused();
        let result = ready!(Pin::new(&mut this.call).poll(cx));
        let name = this.name.as_ref().map_or("", |name| name.as_str());
        Poll::Ready(match result {
            Ok(payload) => payload.decode().map_err(|error| {
                let cause = FailureDetails::from_error("InvalidPayload", &error);
                let message = format!("the result of activity '{name}' is no `{}`", std::any::type_name::<T>());
                FailureDetails::new("InvalidResult", message).non_retriable().caused_by(cause).into()
            }),
            Err(refusal) if is_refused => Err(refusal.into()),
            Err(failure) => Err(failed("TaskFailed", format!("activity '{name}' failed"), *failure).into()),
        })
    }
}

/// The failure of a call: what failed, with its own failure as the cause.
pub(super) fn failed(error_type: &str, message: String, failure: FailureDetails) -> FailureDetails {
    let mut outer = FailureDetails::new(error_type, message);
    outer.is_non_retriable = failure.is_non_retriable;
    outer.retry_after = failure.retry_after;
    outer.caused_by(failure)
}

impl<T> fmt::Debug for ActivityCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityCall").field("name", &self.name).finish_non_exhaustive()
    }
}
