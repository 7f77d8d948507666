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
        call: impl for<'c> Fn(&'c dyn DurableClient) -> BoxFuture<'c, Result<T, ClientError>> + Send + Sync + 'a,
        lost: impl Fn() -> Option<T> + Send + 'a,
    ) -> BoxFuture<'a, Result<T, ClientError>> {
        Box::pin(async move {
            if INSIDE.get() {
                let inner = self.0.inner_client();
                call(&*inner).await
            } else {
                self.0.ask(call, lost)
            }
        })
    }
}

/// The answer to a call that gives nothing, when it got lost.
fn done() -> Option<()> {
    Some(())
}

impl DurableClient for WorldClient {
    fn task_hub(&self) -> &TaskHubName {
        self.0.hub_name()
    }

    fn start(&self, mut request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        if request.id.is_none() && !is_inside() {
            // The same in each try.
            request.id = Some(self.0.ids.for_a_client());
        }
        let id = request.id.clone();
        self.ask(move |client| client.start(request.clone()), move || id.clone())
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.status(&id), || None)
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
                let inner = self.0.inner_client();
                inner.wait(&id, until, timeout).await
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
        self.ask(move |client| client.raise_event(&id, name.clone(), payload.clone()), done)
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.terminate(&id, request.clone()), done)
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.suspend(&id, request.clone()), done)
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.resume(&id, request.clone()), done)
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.rewind(&id, reason.clone()), done)
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        let id = id.clone();
        let own = (!request.new_id).then(|| id.clone());
        self.ask(move |client| client.restart(&id, request.clone()), move || own.clone())
    }

    fn purge(&self, id: &InstanceId, request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.purge(&id, request.clone()), || None)
    }

    fn purge_page(&self, query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        self.ask(move |client| client.purge_page(query.clone()), || None)
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        self.ask(move |client| client.list(query.clone()), || None)
    }

    fn count(&self, query: InstanceQuery) -> BoxFuture<'_, Result<Vec<InstanceCount>, ClientError>> {
        self.ask(move |client| client.count(query.clone()), || None)
    }

    fn activities(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<PendingActivity>>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.activities(&id), || None)
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let id = id.clone();
        self.ask(move |client| client.history(&id), || None)
    }
}
