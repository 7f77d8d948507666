//! What becomes of the calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use durable_core::backend::{
    ActivityRow, Attached, Backend, BackendError, BackendErrorKind, CountRow, Heartbeat, HistoryRow, InstanceFilter,
    InstanceKey, InstanceRow, Notice, Notices, Owned, Pulse, RunnableOrchestrators, SharedBackend, TimerRow, Unread,
    WorkerId, Write, Written,
};

use super::FaultyBackend;
use super::script::Fault;

impl FaultyBackend {
    async fn carry_out(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let failed = |what: String| Err(BackendError::new(BackendErrorKind::Unavailable, what));
        let refused = self.refused.lock().clone();
        let is_refused = refused.is_some_and(|refused| batch.iter().any(|write| refused(write)));
        let next = self.script.lock().next(&batch);
        match next {
            (_, None) if is_refused => Err(BackendError::new(BackendErrorKind::Corrupt, "a write was made to fail")),
            (_, None) => self.write(batch).await,
            (n, Some(Fault::Fail)) => failed(format!("commit {n} was made to fail")),
            (n, Some(Fault::LoseAnswer)) => {
                self.write(batch).await?;
                failed(format!("the answer to commit {n} was made to get lost"))
            }
            (_, Some(Fault::Crash)) => self.die().await,
            (_, Some(Fault::CrashAfter)) => {
                self.write(batch).await?;
                self.die().await
            }
        }
    }

    async fn write(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        let store = self.store.backend();
        let written = self.store.wait((*store).commit(Arc::clone(&batch))).await?;
        if let Some(told) = self.on_write.get() {
            told(&batch);
        }
        Ok(written)
    }

    /// The store, as long as the process lives.
    async fn living(&self) -> Arc<dyn Backend> {
        let is_over = self.script.lock().is_over;
        if is_over {
            return std::future::pending().await;
        }
        let is_held = *self.held.borrow();
        if is_held {
            // The sender lives as long as `self`, so waiting cannot fail.
            let _ = self.held.subscribe().wait_for(|held| !*held).await;
        }
        self.store.backend()
    }

    async fn die<T>(&self) -> T {
        self.tell_of_the_crash();
        std::future::pending().await
    }
}

/// Fails as often as this says.
fn is_there(failures: &AtomicU64) -> Result<(), BackendError> {
    match failures.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1)) {
        Ok(_) => Err(BackendError::new(BackendErrorKind::Unavailable, "the store is away")),
        Err(_) => Ok(()),
    }
}

#[async_trait]
impl Backend for FaultyBackend {
    fn shared(&self) -> Option<&dyn SharedBackend> {
        self.store.backend().shared().map(|_| self as &dyn SharedBackend)
    }

    async fn attach(&self, name: &str, lease: Duration) -> Result<Attached, BackendError> {
        let store = self.living().await;
        self.store.wait(store.attach(name, lease)).await
    }

    async fn detach(&self, worker: WorkerId) -> Result<(), BackendError> {
        let store = self.living().await;
        self.store.wait(store.detach(worker)).await
    }

    async fn commit(&self, batch: Arc<Vec<Write>>) -> Result<Vec<Written>, BackendError> {
        drop(self.living().await);
        let result = self.carry_out(batch).await;
        self.ended.send_modify(|ended| *ended += 1);
        result
    }

    async fn ready(
        &self,
        worker: WorkerId,
        after: InstanceKey,
        limit: usize,
        runs: RunnableOrchestrators,
    ) -> Result<Vec<InstanceKey>, BackendError> {
        let store = self.living().await;
        self.looks.fetch_add(1, Ordering::Relaxed);
        is_there(&self.lost_looks)?;
        self.store.wait(store.ready(worker, after, limit, runs)).await
    }

    async fn timers(
        &self,
        worker: WorkerId,
        after: Option<TimerRow>,
        limit: usize,
    ) -> Result<Vec<TimerRow>, BackendError> {
        let store = self.living().await;
        is_there(&self.lost_looks)?;
        self.store.wait(store.timers(worker, after, limit)).await
    }

    async fn history(&self, key: InstanceKey) -> Result<Vec<HistoryRow>, BackendError> {
        let store = self.living().await;
        is_there(&self.lost_histories)?;
        self.store.wait(store.history(key)).await
    }

    async fn owned(&self, worker: WorkerId, keys: Vec<InstanceKey>) -> Result<Vec<Owned>, BackendError> {
        let store = self.living().await;
        let mut owned = self.store.wait(store.owned(worker, keys)).await?;
        if self.lost_histories.load(Ordering::Relaxed) > 0 {
            // Whoever needs them has to ask, and is refused.
            owned.iter_mut().for_each(|owned| owned.history = None);
        }
        Ok(owned)
    }

    async fn instance(&self, id: &str) -> Result<Option<InstanceRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.instance(id)).await
    }

    async fn list(&self, filter: InstanceFilter) -> Result<Vec<InstanceRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.list(filter)).await
    }

    async fn count(&self, filter: InstanceFilter) -> Result<Vec<CountRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.count(filter)).await
    }

    async fn activities(&self, key: InstanceKey) -> Result<Vec<ActivityRow>, BackendError> {
        let store = self.living().await;
        self.store.wait(store.activities(key)).await
    }
}

#[async_trait]
impl SharedBackend for FaultyBackend {
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.heartbeat(heartbeat)).await,
            None => Ok(None),
        }
    }

    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.unread(after)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn blocked(&self, batch: Arc<Vec<Write>>) -> Result<Vec<usize>, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.blocked(batch)).await,
            None => Ok(Vec::new()),
        }
    }

    async fn notify(&self, notices: Vec<Notice>) {
        let store = self.living().await;
        if let Some(shared) = store.shared()
            && !self.loses_hints.load(Ordering::Relaxed)
        {
            self.store.wait(shared.notify(notices)).await;
        }
    }

    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError> {
        let store = self.living().await;
        match store.shared() {
            Some(shared) => self.store.wait(shared.listen(worker)).await,
            None => Ok(Notices::channel().1),
        }
    }
}
