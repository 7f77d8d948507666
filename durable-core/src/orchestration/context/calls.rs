//! Calls of activities and of other orchestrations.

use serde::Serialize;

use super::OrchestrationContext;
use crate::activity::ActivityFn;
use crate::failure::OrchestratorError;
use crate::history::{Action, ChildStart, TaskOptions};
use crate::model::{FailureDetails, FunctionName, IdReusePolicy, InvalidName, Payload, SourceLocation};
use crate::orchestration::child::SubOrchestratorFn;
use crate::orchestration::definition::OrchestratorFn;
use crate::orchestration::hold::{RawCall, derived_id};
use crate::orchestration::{ActivityCall, StartedOrchestration, SubOrchestrationCall};

impl OrchestrationContext {
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
    /// result do not fit their types, or are larger than the limit. See [`OrchestratorError`].
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
        match self.prepare("activity", activity.name(), &input) {
            Ok((name, input)) => {
                let options = TaskOptions::default();
                let action = Action::ScheduleTask { name: name.clone(), input, options, source };
                ActivityCall::new(name, RawCall::issue(&self.handle, false, |_| action))
            }
            Err(failure) => ActivityCall::refused(&self.handle, failure),
        }
    }

    /// Calls another orchestrator as a child, given as the annotated function or by name.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[orchestrator]
    /// async fn ship(_ctx: OrchestrationContext, item: String) -> Result<u64, OrchestratorError> {
    ///     Ok(item.len() as u64)
    /// }
    ///
    /// #[orchestrator]
    /// async fn order(ctx: OrchestrationContext, items: Vec<String>) -> Result<u64, OrchestratorError> {
    ///     let shipments = items.into_iter().map(|item| ctx.call_sub_orchestrator(ship, item));
    ///     let by_name: u64 = ctx.call_sub_orchestrator("ship", "gift").id("gift-1").await?;
    ///     Ok(try_join_all(shipments).await?.into_iter().sum::<u64>() + by_name)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the type `SubOrchestrationFailed` when the child fails, is terminated, or cannot be
    /// started because its id is taken; and with a type of its own when the input or an option is refused.
    ///
    /// # Determinism
    ///
    /// Name, input, id and version must be the same in every replay.
    ///
    /// # History
    ///
    /// `SubOrchestrationInstanceCreated` with the turn that makes the call, `SubOrchestrationInstanceCompleted` or
    /// `SubOrchestrationInstanceFailed` when the child is done, `TaskCanceled` when the call is dropped before that.
    #[expect(clippy::needless_pass_by_value, reason = "a caller gives the function and its input away")]
    #[track_caller]
    pub fn call_sub_orchestrator<M, F: SubOrchestratorFn<M>>(
        &self,
        orchestrator: F,
        input: F::Input,
    ) -> SubOrchestrationCall<F::Output> {
        let source = SourceLocation::caller();
        let version = orchestrator.version();
        match self.prepare("orchestration", orchestrator.name(), &input) {
            Ok((name, input)) => {
                let call = RawCall::issue(&self.handle, true, |task| {
                    let instance = derived_id(self.handle.header(), task);
                    let mut child = Box::new(ChildStart::new(instance, name.clone(), input));
                    child.version = version;
                    Action::StartChild { child, id_reuse: IdReusePolicy::default(), source }
                });
                SubOrchestrationCall::new(name, call)
            }
            Err(failure) => SubOrchestrationCall::refused(&self.handle, failure),
        }
    }

    /// Starts another orchestration and does not wait for it. It is no child: it goes on when this one ends.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use std::time::Duration;
    ///
    /// #[orchestrator]
    /// async fn follow_up(_ctx: OrchestrationContext, order: u64) -> Result<u64, OrchestratorError> {
    ///     Ok(order)
    /// }
    ///
    /// #[orchestrator]
    /// async fn order(ctx: OrchestrationContext, order: u64) -> Result<String, OrchestratorError> {
    ///     let week = Duration::from_secs(7 * 24 * 3600);
    ///     let started = ctx.start_orchestrator(follow_up, order)?.id(format!("follow-up-{order}"))?.delay(week)?;
    ///     Ok(started.instance_id().to_string())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The name is not valid, the input has no JSON form or is too large, or the turn has too many actions.
    ///
    /// # Determinism
    ///
    /// Name, input, id and version must be the same in every replay.
    ///
    /// # History
    ///
    /// `SubOrchestrationInstanceCreated` with the current turn, marked as detached.
    #[expect(clippy::needless_pass_by_value, reason = "a caller gives the function and its input away")]
    #[track_caller]
    pub fn start_orchestrator<M, F: OrchestratorFn<M>>(
        &self,
        orchestrator: F,
        input: F::Input,
    ) -> Result<StartedOrchestration, OrchestratorError> {
        let source = SourceLocation::caller();
        let version = orchestrator.version();
        let (name, input) = self.prepare("orchestration", orchestrator.name(), &input)?;
        Ok(StartedOrchestration::start(&self.handle, name, version, input, source)?)
    }

    fn prepare(
        &self,
        kind: &str,
        name: Result<FunctionName, InvalidName>,
        input: &impl Serialize,
    ) -> Result<(FunctionName, Payload), Box<FailureDetails>> {
        let name = name.map_err(|error| FailureDetails::from_error("InvalidName", &error))?;
        let input = Payload::encode(input).map_err(|error| {
            let cause = FailureDetails::from_error("InvalidPayload", &error);
            FailureDetails::new("InvalidInput", format!("the input of {kind} '{name}' has no JSON form"))
                .non_retriable()
                .caused_by(cause)
        })?;
        let size = input.as_str().len();
        self.handle.check_size(self.handle.limits().payload, size, || format!("the input of {kind} '{name}'"))?;
        Ok((name, input))
    }
}
