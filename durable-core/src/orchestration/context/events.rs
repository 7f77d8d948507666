//! External events, received and sent.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::OrchestrationContext;
use crate::failure::OrchestratorError;
use crate::history::Action;
use crate::model::{EventName, FailureDetails, InstanceId, Payload, SourceLocation};
use crate::orchestration::EventWait;

impl OrchestrationContext {
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
    /// # Determinism
    ///
    /// Waits of the same name must be made in the same order in every replay.
    ///
    /// # History
    ///
    /// None for the wait. `EventRaised` when an event arrives.
    #[track_caller]
    pub fn wait_for_external_event<T: DeserializeOwned>(&self, name: &str) -> EventWait<T> {
        match EventName::new(name) {
            Ok(name) => EventWait::new(self.handle.clone(), self.handle.wait_for_event(&name), name),
            Err(error) => EventWait::refused(self.handle.clone(), FailureDetails::from_error("InvalidName", &error)),
        }
    }

    /// Sends an external event to another instance, with the current turn. Nobody learns whether the instance exists.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[orchestrator]
    /// async fn report(ctx: OrchestrationContext, to: String) -> Result<(), OrchestratorError> {
    ///     ctx.send_event(&to.parse::<InstanceId>()?, "Progress", &0.5)
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The name is not valid, the payload has no JSON form or is too large, or the turn has too many actions.
    ///
    /// # Determinism
    ///
    /// Instance, name and payload must be the same in every replay.
    ///
    /// # History
    ///
    /// `EventSent` with the current turn.
    #[track_caller]
    pub fn send_event<T: Serialize + ?Sized>(
        &self,
        instance: &InstanceId,
        name: &str,
        payload: &T,
    ) -> Result<(), OrchestratorError> {
        let source = SourceLocation::caller();
        let name = EventName::new(name).map_err(|error| FailureDetails::from_error("InvalidName", &error))?;
        let input = Payload::encode(payload)?;
        self.handle.check_size(self.handle.limits().payload, input.as_str().len(), || {
            format!("the payload of event '{name}'")
        })?;
        self.handle.emit(|_| Action::SendEvent { instance: instance.clone(), name, input, source })?;
        Ok(())
    }
}
