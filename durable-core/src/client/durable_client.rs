//! The trait that every client implements.

use std::time::Duration;

use super::{
    ClientError, ClientErrorKind, ControlRequest, InstanceCount, InstancePage, InstanceQuery, InstanceStatus,
    PendingActivity, PurgePage, PurgeRequest, RestartRequest, StartRequest,
};
use crate::BoxFuture;
use crate::history::HistoryEvent;
use crate::model::{EventName, InstanceId, Payload, RuntimeStatus, TaskHubName};

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

    /// Where the HTTP management API of the hub can be reached, with the query that links to it repeat; `None` when this client
    /// does not know it. A remote client does.
    fn webhook_url(&self) -> Option<String> {
        None
    }

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

    /// Waits until the instance has come as far as `until`, at most for `timeout`, and gives its state then. Without a timeout
    /// it waits for as long as it takes. `None` when there is no such instance.
    ///
    /// Waiting is by notification, and the timeout runs on the hub's clock: a virtual clock must be advanced. It may be
    /// repeated any number of times, by any number of callers.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
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
    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>>;

    /// Pauses an instance: what reaches it waits until it is resumed. Activities that run go on. The effect is asynchronous.
    /// To pause it once more changes nothing.
    ///
    /// # Errors
    ///
    /// There is no such instance, it is finished, or the store failed.
    fn suspend(&self, _id: &InstanceId, _request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        unsupported("suspend an instance")
    }

    /// Lets a paused instance go on, with everything that has reached it meanwhile, in the order of arrival. One that is not
    /// paused goes on as before.
    ///
    /// # Errors
    ///
    /// There is no such instance, it is finished, or the store failed.
    fn resume(&self, _id: &InstanceId, _request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        unsupported("resume an instance")
    }

    /// Takes back the failure of an instance, and of the children whose failure was its cause: the calls that failed are made
    /// again, and it goes on from there.
    ///
    /// # Errors
    ///
    /// There is no such instance, it has not failed, its code does not fit its history any more, or the store failed.
    fn rewind(&self, _id: &InstanceId, _reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        unsupported("rewind an instance")
    }

    /// Starts the orchestrator of an existing instance anew, with the same input, version and tags, and gives the id.
    ///
    /// # Errors
    ///
    /// There is no such instance, it keeps its id and is not finished, its orchestrator is unknown, or the store failed.
    fn restart(&self, _id: &InstanceId, _request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        unsupported("restart an instance")
    }

    /// Removes an instance with its history, and gives how many instances were removed: 0 when there is none.
    ///
    /// # Errors
    ///
    /// It, or one below it that is to be removed too, is not finished; or the store failed.
    fn purge(&self, _id: &InstanceId, _request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        unsupported("purge an instance")
    }

    /// Removes the finished instances of one page of `query`, in one transaction.
    ///
    /// # Errors
    ///
    /// The continuation token is not one of this client's, or the store failed.
    fn purge_page(&self, _query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        unsupported("purge instances")
    }

    /// One page of the instances that fit `query`, ordered by instance id.
    ///
    /// # Errors
    ///
    /// The continuation token is not one of this client's, or the store failed.
    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>>;

    /// How many instances fit `query`, by orchestrator, version and status. Pages do not count.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn count(&self, _query: InstanceQuery) -> BoxFuture<'_, Result<Vec<InstanceCount>, ClientError>> {
        unsupported("count instances")
    }

    /// The activity calls of an instance whose results it has not taken yet; `None` when there is no such instance.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn activities(&self, _id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<PendingActivity>>, ClientError>> {
        unsupported("list activity calls")
    }

    /// The history of the instance's current execution; `None` when there is no such instance.
    ///
    /// # Errors
    ///
    /// The store failed.
    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>>;
}

/// How far an instance shall have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum WaitUntil {
    /// Its first turn is committed.
    Started,
    /// It is finished.
    Finished,
}

impl WaitUntil {
    /// True when an instance in this state has come so far.
    #[must_use]
    pub const fn is_reached(self, status: RuntimeStatus) -> bool {
        match self {
            Self::Started => !matches!(status, RuntimeStatus::Pending),
            Self::Finished => status.is_terminal(),
        }
    }
}

fn unsupported<'a, T: Send + 'a>(operation: &'static str) -> BoxFuture<'a, Result<T, ClientError>> {
    Box::pin(async move { Err(ClientError::new(ClientErrorKind::Unsupported { operation })) })
}
