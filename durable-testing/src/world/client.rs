//! The client of a world: each call lets everything happen that follows from it.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{
    ClientError, ControlRequest, DurableClient, InstanceCount, InstancePage, InstanceQuery, InstanceStatus,
    PendingActivity, PurgePage, PurgeRequest, RestartRequest, StartRequest, WaitUntil,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, InstanceId, Payload, TaskHubName};

use super::core::Core;

thread_local! {
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Marks this thread as the one on which the world runs, as long as `run` takes.
pub(super) fn inside<T>(run: impl FnOnce() -> T) -> T {
    /// Puts the mark back, also when `run` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            INSIDE.set(self.0);
        }
    }
    let _restore = Restore(INSIDE.replace(true));
    run()
}

/// True on a thread on which a world runs.
pub(super) fn is_inside() -> bool {
    INSIDE.get()
}

/// A client from outside drives the world; one in an activity is driven by it.
pub(super) struct WorldClient(pub(super) Arc<Core>);

impl WorldClient {
    fn ask<'a, T: Send + 'a>(
        &'a self,
        ask: impl FnOnce(&'a dyn DurableClient) -> BoxFuture<'a, Result<T, ClientError>> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, ClientError>> {
        Box::pin(async move {
            let inner = self.0.inner_client();
            if INSIDE.get() { ask(inner).await } else { self.0.drive(ask(inner)) }
        })
    }
}

impl DurableClient for WorldClient {
    fn task_hub(&self) -> &TaskHubName {
        self.0.inner_client().task_hub()
    }

    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        self.ask(|client| client.start(request))
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.status(&id).await }))
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        Box::pin(async move {
            if INSIDE.get() {
                self.0.inner_client().wait(&id, until, timeout).await
            } else {
                self.0.wait(&id, until, timeout)
            }
        })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.raise_event(&id, name, payload).await }))
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.terminate(&id, request).await }))
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.suspend(&id, request).await }))
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.resume(&id, request).await }))
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.rewind(&id, reason).await }))
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.restart(&id, request).await }))
    }

    fn purge(&self, id: &InstanceId, request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.purge(&id, request).await }))
    }

    fn purge_page(&self, query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        self.ask(|client| client.purge_page(query))
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        self.ask(|client| client.list(query))
    }

    fn count(&self, query: InstanceQuery) -> BoxFuture<'_, Result<Vec<InstanceCount>, ClientError>> {
        self.ask(|client| client.count(query))
    }

    fn activities(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<PendingActivity>>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.activities(&id).await }))
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| Box::pin(async move { client.history(&id).await }))
    }
}
