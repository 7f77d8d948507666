//! The client of a hub that is reached over HTTP.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{
    Client, ClientError, ControlRequest, DurableClient, InstanceCount, InstancePage, InstanceQuery, InstanceStatus,
    PurgePage, PurgeRequest, RestartRequest, StartRequest, WaitUntil,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, InstanceId, Payload, RuntimeStatus, TaskHubName};

use super::builder::RemoteClientBuilder;
use super::control::{RESUME, SUSPEND, TERMINATE};
use super::error::RemoteClientError;
use super::transport::Transport;
use super::wait::Polling;

/// A client for a hub in another process, or for a function app in Azure, over the HTTP management API. It is there with the
/// feature `remote`.
///
/// ```no_run
/// use durable_core::client::Client;
/// use durable_http::RemoteClient;
///
/// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
/// let client: Client = RemoteClient::connect("http://127.0.0.1:7071")?.into();
/// let greeting = client.start("hello_cities", "Tokyo").await?;
/// println!("{:?}", greeting.wait().await?.output);
/// # Ok(()) }
/// ```
///
/// # What is different from a local client
///
/// * A status is what the API tells: times in whole seconds, a failure as one message with its causes, and no version, tags,
///   parent, trace or execution id. The execution id is empty. Counts have no versions for the same reason.
/// * What the API has no words for is an error, which [`is_unsupported`](ClientError::is_unsupported): starting with tags, a
///   delay or an id reuse policy; recursive requests; a forced purge; filters by version, tag, parent or last change; and
///   activity calls. So is the history of a server that is not ours.
/// * Reasons lose the white space around them. A reason that is JSON may come back in another form.
/// * An orchestrator that does not exist is an invalid argument, since the API does not tell it from others.
/// * Resuming an instance that is not paused yet, because its pause has been asked for but has had no effect, does nothing.
///   Wait until it is paused.
/// * Filters by name are applied here, so that a page may be short or empty although another follows. A
///   [`purge_page`](DurableClient::purge_page) without a name or prefix removes everything that fits in one request; with
///   one, each instance in a request of its own.
/// * A wrong path in the address cannot be told from instances that do not exist.
///
/// # Waiting
///
/// Against our server a wait is a request that is answered when the instance is finished, at most 30 seconds later, and then
/// the next one. A server that answers at once is asked again after a pause, see
/// [`poll_interval`](RemoteClientBuilder::poll_interval); so is any server for the start of an instance. The timeout runs on
/// the clock of this process.
///
/// # What is sent again
///
/// Requests that only look at something are sent up to three times when the connection fails, except after a timeout. All
/// others are sent once: they may have been carried out although no answer came. A start always names an id, made here if
/// need be, and the error of one without an answer says it, so that it can be looked up, or started again under that id.
#[derive(Clone)]
pub struct RemoteClient {
    transport: Transport,
    hub: TaskHubName,
    polling: Polling,
}

impl RemoteClient {
    /// A client for the API at this address, with its usual settings. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// As [`build`](RemoteClientBuilder::build).
    pub fn connect(url: &str) -> Result<Self, RemoteClientError> {
        Self::builder(url).build()
    }

    /// A client with settings. The address is that of the API, with the parameters that every request repeats:
    /// `https://app.example/runtime/webhooks/durabletask?code=KEY&taskHub=X`. Without a path that of Durable Functions is
    /// meant.
    pub fn builder(url: &str) -> RemoteClientBuilder {
        RemoteClientBuilder::new(url)
    }

    pub(super) fn new(transport: Transport, hub: TaskHubName, polling: Polling) -> Self {
        Self { transport, hub, polling }
    }

    /// The address of the API with its query, for building links. It contains the key when the address that the client was
    /// made with did.
    #[must_use]
    pub fn webhook_url(&self) -> String {
        self.transport.address().webhook_url()
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn polling(&self) -> Polling {
        self.polling
    }
}

impl From<RemoteClient> for Client {
    fn from(client: RemoteClient) -> Self {
        Self::new(Arc::new(client))
    }
}

impl fmt::Debug for RemoteClient {
    /// Without the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteClient")
            .field("transport", &self.transport)
            .field("task_hub", &self.hub)
            .field("polling", &self.polling)
            .finish()
    }
}

impl DurableClient for RemoteClient {
    /// The hub that was asked for; `TestHubName` when it is the server's own, whose name is not known here.
    fn task_hub(&self) -> &TaskHubName {
        &self.hub
    }

    fn webhook_url(&self) -> Option<String> {
        Some(Self::webhook_url(self))
    }

    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        Box::pin(self.send_start(request))
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.get_status(&id).await })
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.wait_for(&id, until, timeout).await })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.send_event(&id, &name, &payload).await })
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.send_control(&id, TERMINATE, request).await })
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        let is_paused = |status| status == RuntimeStatus::Suspended;
        Box::pin(async move { self.send_pause(&id, SUSPEND, request, is_paused).await })
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        let goes_on = |status| status != RuntimeStatus::Suspended;
        Box::pin(async move { self.send_pause(&id, RESUME, request, goes_on).await })
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.send_rewind(&id, reason).await })
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.send_restart(&id, request).await })
    }

    fn purge(&self, id: &InstanceId, request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.send_purge(&id, request).await })
    }

    fn purge_page(&self, query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        Box::pin(self.send_purge_page(query))
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        Box::pin(async move { self.get_page(&query, true).await })
    }

    fn count(&self, query: InstanceQuery) -> BoxFuture<'_, Result<Vec<InstanceCount>, ClientError>> {
        Box::pin(self.count_pages(query))
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let id = id.clone();
        Box::pin(async move { self.get_history(&id).await })
    }
}
