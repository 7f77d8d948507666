//! The trait that every client implements.

use std::time::Duration;

use super::{ClientError, InstancePage, InstanceQuery, InstanceStatus, StartRequest};
use crate::BoxFuture;
use crate::history::HistoryEvent;
use crate::model::{EventName, InstanceId, Payload, TaskHubName};

/// A durable client: dyn-safe, with raw JSON payloads.
///
/// The local hub is one; a test replaces it by its own, a remote client by calls over the network. Typed methods live on
/// [`Client`](super::Client).
///
/// Every method that changes something has done so durably when its future completes. Dropping a future before that
/// leaves open whether the change happened.
pub trait DurableClient: Send + Sync + 'static {
    /// The task hub that this client talks to.
    fn task_hub(&self) -> &TaskHubName;

    /// Starts an instance.
    ///
    /// # Errors
    ///
    /// The orchestrator is unknown, the id is taken by an instance that is not finished, or the store failed.
    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>>;

    /// The present state of an instance; `None` when there is none.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>>;

    /// Waits until the instance is finished, at most for `timeout`, and gives its state then. Without a timeout it waits
    /// for as long as it takes. `None` when there is no such instance.
    ///
    /// Waiting is by notification, and the timeout runs on the hub's clock: a virtual clock must be advanced. It may be repeated any number of times, by any number of callers.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn wait(
        &self,
        id: &InstanceId,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>>;

    /// Sends an external event to an instance. Events are kept until the orchestrator waits for them.
    ///
    /// # Errors
    ///
    /// There is no such instance, it is finished, or the store failed.
    fn raise_event(&self, id: &InstanceId, name: EventName, payload: Payload)
    -> BoxFuture<'_, Result<(), ClientError>>;

    /// Terminates an instance: no more of its code runs, its status becomes Terminated and its output the reason. The
    /// effect is asynchronous; [`wait`](Self::wait) sees it. An instance that is just coming to its own end keeps that end.
    ///
    /// # Errors
    ///
    /// There is no such instance, it is finished, or the store failed.
    fn terminate(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>>;

    /// One page of the instances that fit `query`, ordered by instance id.
    ///
    /// # Errors
    ///
    /// The continuation token is not one of this client's, or the store failed.
    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>>;

    /// The history of the instance's current execution; `None` when there is no such instance.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>>;
}
