//! The typed client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::{
    ClientError, DurableClient, InstanceHandle, InstancePage, InstanceQuery, InstanceStatus, Start, StartRequest,
};
use crate::history::HistoryEvent;
use crate::model::{EventName, InstanceId, Payload, TaskHubName};
use crate::orchestration::OrchestratorFn;

/// A typed client over any [`DurableClient`]. Cloning is cheap.
#[derive(Clone)]
pub struct Client(Arc<dyn DurableClient>);

impl Client {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: Arc<dyn DurableClient>) -> Self {
        Self(client)
    }

    /// The untyped client.
    #[must_use]
    pub fn as_dyn(&self) -> &dyn DurableClient {
        &*self.0
    }

    /// The task hub that this client talks to.
    #[must_use]
    pub fn task_hub(&self) -> &TaskHubName {
        self.0.task_hub()
    }

    /// Starts an orchestrator, given as the annotated function or by name. `()` is the input of one without input. By name
    /// the output is a [`serde_json::Value`]; [`instance`](Self::instance) gives a handle with another type.
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # #[orchestrator]
    /// # async fn greet(_ctx: OrchestrationContext, name: String) -> Result<String, OrchestratorError> { Ok(name) }
    /// # async fn doc(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let greeting = client.start(greet, "Ada".to_owned()).await?;
    /// let by_name = client.start("greet", "Ada").id("greet-ada").await?;
    /// assert_eq!(greeting.output().await?, "Ada");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it fails when the orchestrator is unknown, when the id is not valid or taken by an instance that is not
    /// finished, and when the store fails. A finished instance with the id is replaced.
    #[expect(clippy::needless_pass_by_value, reason = "a caller gives the function and its input away")]
    pub fn start<M, F: OrchestratorFn<M>>(&self, orchestrator: F, input: F::Input) -> Start<'_, F::Output> {
        let request = || Ok(StartRequest::new(orchestrator.name()?, Payload::encode(&input)?));
        Start::new(self, request())
    }

    /// A handle to an instance that was started before, whose output is an `O`.
    ///
    /// # Errors
    ///
    /// The id is not valid. Whether there is such an instance shows when the handle is used.
    pub fn instance<O, I>(&self, id: I) -> Result<InstanceHandle<O>, ClientError>
    where
        I: TryInto<InstanceId>,
        I::Error: Into<ClientError>,
    {
        Ok(InstanceHandle::new(self.clone(), id.try_into().map_err(Into::into)?))
    }

    /// The present state of an instance; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn status(&self, id: &InstanceId) -> Result<Option<InstanceStatus>, ClientError> {
        self.0.status(id).await
    }

    /// Waits until an instance is finished, at most for `timeout`. See [`DurableClient::wait`].
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn wait(
        &self,
        id: &InstanceId,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        self.0.wait(id, timeout).await
    }

    /// Sends an external event. See [`DurableClient::raise_event`].
    ///
    /// # Errors
    ///
    /// The name is not valid, the payload has no JSON form, there is no such instance, it is finished, or the store
    /// failed.
    pub async fn raise_event<T: Serialize + ?Sized>(
        &self,
        id: &InstanceId,
        name: &str,
        payload: &T,
    ) -> Result<(), ClientError> {
        self.0.raise_event(id, EventName::new(name)?, Payload::encode(payload)?).await
    }

    /// Terminates an instance. See [`DurableClient::terminate`].
    ///
    /// # Errors
    ///
    /// There is no such instance, it is finished, or the store failed.
    pub async fn terminate(&self, id: &InstanceId, reason: impl Into<String>) -> Result<(), ClientError> {
        self.0.terminate(id, Some(reason.into())).await
    }

    /// One page of instances, ordered by id.
    ///
    /// # Errors
    ///
    /// The continuation token is not one of this client's, or the store failed.
    pub async fn list(&self, query: InstanceQuery) -> Result<InstancePage, ClientError> {
        self.0.list(query).await
    }

    /// The history of an instance's current execution; `None` when there is no such instance.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn history(&self, id: &InstanceId) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        self.0.history(id).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("task_hub", self.task_hub()).finish_non_exhaustive()
    }
}
