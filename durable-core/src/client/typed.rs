//! The typed client.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::control::Command;
use super::{
    ClientError, Control, DurableClient, InstanceCount, InstanceHandle, InstancePage, InstanceQuery, InstanceStatus,
    PendingActivity, Purge, PurgeWhere, Restart, Start, StartRequest, VersionUse, WaitUntil,
};
use crate::history::HistoryEvent;
use crate::model::{EventName, InstanceId, Payload, TaskHubName};
use crate::orchestration::OrchestratorFn;

/// A typed client over any [`DurableClient`]. Cloning is cheap.
#[derive(Clone)]
pub struct Client {
    inner: Arc<dyn DurableClient>,
    webhook_url: Option<Arc<str>>,
}

impl Client {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: Arc<dyn DurableClient>) -> Self {
        Self { inner: client, webhook_url: None }
    }

    /// The untyped client.
    #[must_use]
    pub fn as_dyn(&self) -> &dyn DurableClient {
        &*self.inner
    }

    /// This client, knowing where the HTTP management API of its hub can be reached from outside, with the query that
    /// links to it repeat: `https://example.com/runtime/webhooks/durabletask?code=...`. Code that hands out links without a
    /// request to answer needs it, an activity that sends a mail for example.
    #[must_use]
    pub fn with_webhook_url(mut self, url: impl Into<String>) -> Self {
        self.webhook_url = Some(url.into().into());
        self
    }

    /// Where the HTTP management API of the hub can be reached, as far as this client knows.
    #[must_use]
    pub fn webhook_url(&self) -> Option<String> {
        self.webhook_url.as_deref().map(str::to_owned).or_else(|| self.inner.webhook_url())
    }

    /// The task hub that this client talks to.
    #[must_use]
    pub fn task_hub(&self) -> &TaskHubName {
        self.inner.task_hub()
    }

    /// Starts an orchestrator, given as the annotated function or by name. `()` is the input of one without input. By name
    /// the output is a [`serde_json::Value`]; [`instance`](Self::instance) gives a handle with another type. A function whose
    /// annotation has a version starts in that version; a name, or a function without one, in the hub's default or the highest.
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
        let request = || {
            let mut request = StartRequest::new(orchestrator.name()?, Payload::encode(&input)?);
            request.version = orchestrator.version();
            Ok(request)
        };
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
        self.inner.status(id).await
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
        self.inner.wait(id, WaitUntil::Finished, timeout).await
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
        self.inner.raise_event(id, EventName::new(name)?, Payload::encode(payload)?).await
    }

    /// Waits until the first turn of an instance is committed, at most for `timeout`.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn wait_for_start(
        &self,
        id: &InstanceId,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        self.inner.wait(id, WaitUntil::Started, timeout).await
    }

    /// Terminates an instance. See [`DurableClient::terminate`].
    ///
    /// # Errors
    ///
    /// Awaiting it fails when there is no such instance, when it is finished, or when the store fails.
    pub fn terminate(&self, id: &InstanceId, reason: impl Into<String>) -> Control<'_> {
        Control::new(self, id, Command::Terminate, reason)
    }

    /// Pauses an instance. See [`DurableClient::suspend`].
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// client.suspend(&id, "the bank is down").recursive().await?;
    /// client.resume(&id, "it is back").recursive().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn suspend(&self, id: &InstanceId, reason: impl Into<String>) -> Control<'_> {
        Control::new(self, id, Command::Suspend, reason)
    }

    /// Lets a paused instance go on. See [`DurableClient::resume`].
    ///
    /// # Errors
    ///
    /// As [`terminate`](Self::terminate).
    pub fn resume(&self, id: &InstanceId, reason: impl Into<String>) -> Control<'_> {
        Control::new(self, id, Command::Resume, reason)
    }

    /// Takes back the failure of an instance. The calls that failed are made again, also in children; of a retried call the
    /// last attempt. Before anything is changed, the code is run against the history that is left, and the rewind is refused
    /// when it does not fit. See [`DurableClient::rewind`].
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// client.rewind(&id, "the bank is up again").await?;
    /// client.wait(&id, None).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// There is no such instance, it has not failed, its code does not fit its history any more, or the store failed.
    ///
    /// # History
    ///
    /// The failures and what followed from them are removed. `ExecutionRewound` is added.
    pub async fn rewind(&self, id: &InstanceId, reason: impl Into<String>) -> Result<(), ClientError> {
        self.inner.rewind(id, Some(reason.into())).await
    }

    /// Starts the orchestrator of an existing instance anew, with the same input, version and tags, under its own id or, with
    /// [`new_id`](Restart::new_id), a new one. See [`DurableClient::restart`].
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// let beside = client.restart(&id).new_id().await?;
    /// assert_eq!(client.restart(&id).await?, id);
    /// # let _ = beside;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it fails when there is no such instance, when it keeps its id and is not finished, when its orchestrator is
    /// unknown, or when the store fails.
    pub fn restart(&self, id: &InstanceId) -> Restart<'_> {
        Restart::new(self, id)
    }

    /// Removes a finished instance with its history; awaiting it gives how many instances were removed. See
    /// [`DurableClient::purge`].
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// let removed = client.purge(&id).recursive().await?;
    /// println!("{removed} instances are gone");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it fails when the instance, or one below it that is to be removed too, is not finished, or when the store
    /// fails.
    pub fn purge(&self, id: &InstanceId) -> Purge<'_> {
        Purge::new(self, id)
    }

    /// Removes all finished instances that fit `query`, as many in one transaction as fit its page; awaiting it gives how
    /// many. When it is dropped, what is removed stays removed. A hub can do it by itself, by age: see
    /// [`Retention`](crate::model::Retention).
    ///
    /// ```no_run
    /// # use durable_core::{client::InstanceQuery, prelude::*};
    /// # async fn doc(client: Client) -> Result<(), Box<dyn std::error::Error>> {
    /// let completed = InstanceQuery::new().statuses([RuntimeStatus::Completed]);
    /// let removed = client.purge_where(completed).on_progress(|so_far| println!("{so_far}")).await?;
    /// # let _ = removed; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Awaiting it fails when the store fails.
    pub fn purge_where(&self, query: InstanceQuery) -> PurgeWhere<'_> {
        PurgeWhere::new(self, query)
    }

    /// How many instances fit `query`.
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// let failed = InstanceQuery::new().statuses([RuntimeStatus::Failed]).tag("tenant", "a");
    /// println!("{} of tenant a have failed", client.count(failed).await?);
    /// println!("it has {} children", client.count(InstanceQuery::new().children_of(id)).await?);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn count(&self, query: InstanceQuery) -> Result<u64, ClientError> {
        Ok(self.inner.count(query).await?.iter().map(|count| count.count).sum())
    }

    /// How many instances fit `query`, by orchestrator, version and status.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn counts(&self, query: InstanceQuery) -> Result<Vec<InstanceCount>, ClientError> {
        self.inner.count(query).await
    }

    /// Which versions of which orchestrators have instances, and how many of them are not finished: code that live instances
    /// need must stay registered.
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// for each in client.versions().await?.iter().filter(|each| each.live > 0) {
    ///     println!("{} {:?} is still needed by {}", each.name, each.version, each.live);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn versions(&self) -> Result<Vec<VersionUse>, ClientError> {
        Ok(VersionUse::of(self.inner.count(InstanceQuery::new()).await?))
    }

    /// The activity calls of an instance whose results it has not taken yet, with their progress; `None` when there is no
    /// such instance.
    ///
    /// ```no_run
    /// # use durable_core::prelude::*;
    /// # async fn doc(client: Client, id: InstanceId) -> Result<(), Box<dyn std::error::Error>> {
    /// for call in client.activities(&id).await?.unwrap_or_default() {
    ///     println!("{} {}: attempt {}, {:?}", call.task_id, call.name, call.attempt, call.progress);
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn activities(&self, id: &InstanceId) -> Result<Option<Vec<PendingActivity>>, ClientError> {
        self.inner.activities(id).await
    }

    /// One page of instances, ordered by id.
    ///
    /// # Errors
    ///
    /// The continuation token is not one of this client's, or the store failed.
    pub async fn list(&self, query: InstanceQuery) -> Result<InstancePage, ClientError> {
        self.inner.list(query).await
    }

    /// The history of an instance's current execution; `None` when there is no such instance.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn history(&self, id: &InstanceId) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        self.inner.history(id).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("task_hub", self.task_hub()).finish_non_exhaustive()
    }
}
