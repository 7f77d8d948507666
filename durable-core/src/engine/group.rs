//! Group commit: writes of many instances share one transaction and one flush.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{MaybeDone, maybe_done};
use futures_util::poll;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::options::EngineOptions;
use crate::BoxFuture;
use crate::backend::{Backend, BackendError, BackendErrorKind, Write, Written};

/// Called once with what became of a write. Calls come in the order of the writes, after they are durable, and must not
/// block. Later writes may have been made by then.
type Done = Box<dyn FnOnce(&Write, Result<Written, BackendError>) + Send>;

/// How often a write is tried when the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until it happens, cannot ever happen, or the engine closes: the write is fenced, so that repeating it does no harm.
    Endless,
    /// A few times: somebody waits for the answer.
    Short,
    /// Once: repeating it could do it twice.
    Once,
}

const SHORT_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(5);

/// Pauses between attempts at a store that fails, each twice as long as the one before.
pub(super) struct Pauses {
    next: Duration,
    longest: Duration,
}

impl Pauses {
    pub(super) fn new(longest: Duration) -> Self {
        Self { next: FIRST_PAUSE * 2, longest }
    }

    /// Ends early when the engine closes.
    pub(super) async fn pause(&mut self, closed: &CancellationToken) {
        let pause = self.next.min(self.longest);
        self.next = pause.saturating_mul(2);
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = closed.cancelled() => {}
        }
    }
}

struct Item {
    patience: Patience,
    done: Done,
}

/// Writes that no commit contains yet, and whom to answer.
#[derive(Default)]
struct Waiting {
    writes: Vec<Write>,
    items: Vec<Item>,
}

impl Waiting {
    fn push(&mut self, write: Write, item: Item) {
        if self.writes.is_empty() {
            // Mostly there is only one, and a store may keep it for long.
            self.writes.reserve_exact(1);
        }
        self.writes.push(write);
        self.items.push(item);
    }
}

type Answers = BoxFuture<'static, Result<Vec<Written>, BackendError>>;

/// A commit that the store works on.
struct Underway {
    batch: Arc<Vec<Write>>,
    items: Vec<Item>,
    commit: Pin<Box<MaybeDone<Answers>>>,
}

/// The answer to a write that comes too late.
pub(super) fn shut_down() -> BackendError {
    BackendError::new(BackendErrorKind::Unavailable, "the task hub is shut down")
}

/// The sending end. When the last one is gone and the queue is written, the committer ends.
#[derive(Clone)]
pub(super) struct Group {
    queue: mpsc::UnboundedSender<(Write, Item)>,
}

impl Group {
    /// Starts the committer.
    pub(super) fn start(
        backend: Arc<dyn Backend>,
        options: &EngineOptions,
        closed: CancellationToken,
    ) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, receiver) = mpsc::unbounded_channel();
        let committer = Committer {
            backend,
            receiver,
            limit: options.writes_per_commit.max(1),
            pauses: Pauses::new(options.commit_retry_ceiling),
            ceiling: options.commit_retry_ceiling,
            failures: 0,
            closed,
        };
        (Self { queue }, tokio::spawn(committer.run()))
    }

    /// Queues a write.
    pub(super) fn submit(
        &self,
        write: Write,
        patience: Patience,
        done: impl FnOnce(&Write, Result<Written, BackendError>) + Send + 'static,
    ) {
        let item = Item { patience, done: Box::new(done) };
        if let Err(mpsc::error::SendError((write, item))) = self.queue.send((write, item)) {
            (item.done)(&write, Err(shut_down()));
        }
    }
}

struct Committer {
    backend: Arc<dyn Backend>,
    receiver: mpsc::UnboundedReceiver<(Write, Item)>,
    limit: usize,
    pauses: Pauses,
    ceiling: Duration,
    failures: u32,
    closed: CancellationToken,
}

impl Committer {
    async fn run(mut self) {
        let mut waiting = Waiting::default();
        loop {
            if waiting.writes.is_empty() {
                let Some((write, item)) = self.receiver.recv().await else { return };
                waiting.push(write, item);
            }
            let mut underway = self.begin(std::mem::take(&mut waiting)).await;
            while let Some(Underway { batch, items, mut commit }) = underway.take() {
                commit.as_mut().await;
                let written = commit.as_mut().take_output().unwrap_or_else(|| Err(shut_down()));
                match written {
                    Ok(results) => {
                        // The store is busy with what has come meanwhile, while those who wait for this batch are answered.
                        underway = self.begin(Waiting::default()).await;
                        self.succeed(&batch, items, results);
                    }
                    Err(error) if error.is_retryable() || batch.len() == 1 => {
                        waiting = self.fail(&batch, items, &error);
                        self.pauses.pause(&self.closed).await;
                    }
                    Err(_) => waiting = self.one_by_one(&batch, items).await,
                }
            }
        }
    }

    /// Begins to commit these writes and what else is in the queue, as much as one commit takes; `None` when there is nothing.
    async fn begin(&mut self, mut waiting: Waiting) -> Option<Underway> {
        while waiting.writes.len() < self.limit
            && let Ok((write, item)) = self.receiver.try_recv()
        {
            waiting.push(write, item);
        }
        let Waiting { writes, items } = waiting;
        if writes.is_empty() {
            return None;
        }
        let batch = Arc::new(writes);
        let (backend, writes) = (Arc::clone(&self.backend), Arc::clone(&batch));
        let commit: Answers = Box::pin(async move { backend.commit(writes).await });
        let mut commit = Box::pin(maybe_done(commit));
        // A future does nothing before it is polled.
        let _ = poll!(commit.as_mut());
        Some(Underway { batch, items, commit })
    }

    fn succeed(&mut self, batch: &[Write], items: Vec<Item>, results: Vec<Written>) {
        if self.failures > 0 {
            tracing::info!(attempts = self.failures + 1, "the store takes commits again");
            self.failures = 0;
            self.pauses = Pauses::new(self.ceiling);
        }
        for ((write, item), written) in batch.iter().zip(items).zip(results) {
            (item.done)(write, Ok(written));
        }
    }

    /// One of the writes cannot be made. Alone, it fails alone. Gives what must be tried again.
    async fn one_by_one(&mut self, batch: &[Write], items: Vec<Item>) -> Waiting {
        let mut kept = Waiting::default();
        for (write, item) in batch.iter().zip(items) {
            let alone = Arc::new(vec![write.clone()]);
            match self.backend.commit(Arc::clone(&alone)).await {
                Ok(results) => self.succeed(&alone, vec![item], results),
                Err(error) => {
                    let left = self.fail(&alone, vec![item], &error);
                    kept.writes.extend(left.writes);
                    kept.items.extend(left.items);
                }
            }
        }
        kept
    }

    /// Keeps what may be repeated, and answers the rest.
    fn fail(&mut self, batch: &[Write], items: Vec<Item>, error: &BackendError) -> Waiting {
        self.failures += 1;
        if self.failures == 1 {
            tracing::error!(%error, source = ?std::error::Error::source(error), "the store does not take a commit, trying again");
        }
        let mut kept = Waiting::default();
        for (write, item) in batch.iter().zip(items) {
            let hopeless = !error.is_retryable() || self.closed.is_cancelled();
            let keep = match item.patience {
                _ if hopeless => false,
                Patience::Endless => true,
                Patience::Short => self.failures < SHORT_ATTEMPTS,
                Patience::Once => false,
            };
            if keep {
                kept.push(write.clone(), item);
            } else {
                (item.done)(write, Err(error.clone()));
            }
        }
        kept
    }
}
