//! A store behind injected faults: one that was given, or one that is opened, and opened again for each process.

use std::sync::Arc;

use durable_core::backend::Backend;
use parking_lot::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

/// Opens a store.
pub(crate) type Open = Arc<dyn Fn() -> Arc<dyn Backend> + Send + Sync>;

/// A store, and how its calls are made.
pub(crate) struct Store {
    /// Empty while it is not open. Dropped before what it needs.
    backend: Mutex<Option<Arc<dyn Backend>>>,
    opener: Option<Opener>,
}

/// A store that is opened works in real time, on threads and a runtime of its own, while the thread that asks it stands
/// still. So each call is over at once in virtual time, and calls happen in the order in which they are made.
struct Opener {
    open: Open,
    runtime: Option<Runtime>,
}

impl Store {
    pub(crate) fn given(backend: Arc<dyn Backend>) -> Self {
        Self { backend: Mutex::new(Some(backend)), opener: None }
    }

    pub(crate) fn opened_by(open: Open) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.unwrap_or_else(|error| panic!("a store needs a runtime, and none can be made: {error}"));
        Self { backend: Mutex::default(), opener: Some(Opener { open, runtime: Some(runtime) }) }
    }

    /// Closes it, if it can be opened again.
    pub(crate) fn close(&self) {
        if let Some(opener) = &self.opener {
            let backend = self.backend.lock().take();
            opener.with(|| drop(backend));
        }
    }

    /// The store. It is opened when it is not open.
    pub(crate) fn backend(&self) -> Arc<dyn Backend> {
        let mut backend = self.backend.lock();
        match (&mut *backend, &self.opener) {
            (Some(backend), _) => Arc::clone(backend),
            (none, Some(opener)) => Arc::clone(none.insert(opener.with(|| (opener.open)()))),
            (None, None) => unreachable!("a store that was given is never closed"),
        }
    }

    /// Waits for one of its calls.
    pub(crate) async fn wait<T: Send>(&self, call: impl Future<Output = T> + Send) -> T {
        match self.opener.as_ref().and_then(|opener| opener.runtime.as_ref()) {
            Some(runtime) => on_a_free_thread(|| runtime.block_on(call)),
            None => call.await,
        }
    }
}

impl Opener {
    fn with<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        on_a_free_thread(|| {
            let _inside = self.runtime.as_ref().map(Runtime::enter);
            work()
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.close();
    }
}

impl Drop for Opener {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// Runs something that blocks. Within a runtime that is only allowed on a thread that is not part of it.
pub(crate) fn on_a_free_thread<T: Send>(run: impl FnOnce() -> T + Send) -> T {
    if Handle::try_current().is_err() {
        return run();
    }
    std::thread::scope(|scope| match scope.spawn(run).join() {
        Ok(value) => value,
        Err(panic) => std::panic::resume_unwind(panic),
    })
}
