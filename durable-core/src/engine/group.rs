//! Group commit: writes of many instances share one transaction and one flush.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
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

    fn append(&mut self, other: Self) {
        self.writes.extend(other.writes);
        self.items.extend(other.items);
    }
}

/// A commit, and what the store says of it.
struct Answered {
    batch: Arc<Vec<Write>>,
    items: Vec<Item>,
    answer: Result<Vec<Written>, BackendError>,
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
            depth: backend.commits_ahead().max(1),
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
    /// How many commits the store is given at a time; 0 when no more come.
    depth: usize,
    limit: usize,
    pauses: Pauses,
    ceiling: Duration,
    failures: u32,
    closed: CancellationToken,
}

impl Committer {
    async fn run(mut self) {
        let mut underway = FuturesOrdered::new();
        loop {
            // In this order: who has an answer comes before who begins to wait for one.
            tokio::select! {
                biased;
                Some(answered) = underway.next() => {
                    let mut left = self.take_in(answered).await;
                    if left.writes.is_empty() {
                        continue;
                    }
                    // What the store was given meanwhile is answered first, so that what is tried again is alone.
                    while let Some(answered) = underway.next().await {
                        left.append(self.take_in(answered).await);
                    }
                    self.pauses.pause(&self.closed).await;
                    underway.push_back(self.begin(left));
                }
                received = self.receiver.recv(), if underway.len() < self.depth => match received {
                    Some((write, item)) => {
                        let mut waiting = Waiting::default();
                        waiting.push(write, item);
                        underway.push_back(self.begin(waiting));
                    }
                    None if underway.is_empty() => return,
                    None => self.depth = 0,
                },
            }
        }
    }

    /// Begins to commit these writes and what else is in the queue, as much as one commit takes.
    fn begin(&mut self, mut waiting: Waiting) -> BoxFuture<'static, Answered> {
        while waiting.writes.len() < self.limit
            && let Ok((write, item)) = self.receiver.try_recv()
        {
            waiting.push(write, item);
        }
        let Waiting { writes, items } = waiting;
        let (backend, batch) = (Arc::clone(&self.backend), Arc::new(writes));
        Box::pin(async move {
            let answer = backend.commit(Arc::clone(&batch)).await;
            Answered { batch, items, answer }
        })
    }

    /// Tells the callers what became of their writes. Gives what must be tried again.
    async fn take_in(&mut self, Answered { batch, items, answer }: Answered) -> Waiting {
        match answer {
            Ok(results) => {
                self.succeed(&batch, items, results);
                Waiting::default()
            }
            Err(error) if error.is_retryable() || batch.len() == 1 => self.fail(&batch, items, &error),
            Err(_) => self.one_by_one(&batch, items).await,
        }
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
                    kept.append(self.fail(&alone, vec![item], &error));
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
