//! Group commit: writes of many instances share one transaction and one flush.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{MaybeDone, maybe_done};
use futures_util::poll;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::aside::{Aside, find_blocked, held_up};
use super::options::EngineOptions;
use crate::BoxFuture;
use crate::backend::{Backend, BackendError, BackendErrorKind, Write, Written};

/// Called once with what became of a write. Calls come in the order of the writes, after they are durable, and must not
/// block. Later writes may have been made by then.
type Done = Box<dyn FnOnce(&Write, Result<Written, BackendError>) + Send>;

/// How often a write is tried when the store fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until it happens or the engine closes: the write is fenced, so that repeating it does no harm.
    Endless,
    /// A few times and not for long: somebody waits for the answer.
    Short,
    /// As `Short`, while the store is sure that nothing happened: else, repeating it could do it twice.
    Once,
}

const SHORT_ATTEMPTS: u32 = 5;

/// How long somebody waits for the answer to a write that does not get through, apart from an attempt that has begun before.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(10);

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

pub(super) struct Item {
    pub(super) patience: Patience,
    pub(super) done: Done,
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
    /// Without what was seen to be blocked.
    is_sifted: bool,
    begun: Instant,
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
            failing_since: None,
            closed,
            aside: None,
            must_sift: false,
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
    /// When the first commit of those that failed was begun.
    failing_since: Option<Instant>,
    closed: CancellationToken,
    /// Started when a write does not get through for the first time.
    aside: Option<Aside>,
    /// Something was in the way of the last commit: the next one is made without what is seen to be blocked.
    must_sift: bool,
}

impl Committer {
    async fn run(mut self) {
        let mut waiting = Waiting::default();
        loop {
            if waiting.writes.is_empty() {
                let Some((write, item)) = self.receiver.recv().await else { break };
                self.enqueue(&mut waiting, write, item);
            }
            let mut underway = self.begin(std::mem::take(&mut waiting)).await;
            while let Some(Underway { batch, items, is_sifted, begun, mut commit }) = underway.take() {
                commit.as_mut().await;
                let written = commit.as_mut().take_output().unwrap_or_else(|| Err(shut_down()));
                match written {
                    Ok(results) => {
                        // The store is busy with what has come meanwhile, while those who wait for this batch are answered.
                        underway = self.begin(Waiting::default()).await;
                        self.succeed(&batch, items, results);
                    }
                    Err(error) if error.is_blocked() => {
                        waiting = self.step_aside(&batch, items, is_sifted);
                    }
                    Err(error) if error.is_retryable() => {
                        waiting = self.fail(&batch, items, &error, begun);
                        self.pauses.pause(&self.closed).await;
                    }
                    Err(error) if batch.len() == 1 => self.refuse(&batch, items, &error),
                    Err(_) => waiting = self.one_by_one(&batch, items).await,
                }
            }
        }
        if let Some(aside) = self.aside {
            aside.finish().await;
        }
    }

    /// A write waits for the next commit, or behind those that wait apart.
    fn enqueue(&self, waiting: &mut Waiting, write: Write, item: Item) {
        match &self.aside {
            Some(aside) if aside.holds_up(&write) => aside.put(write, item, held_up()),
            _ => waiting.push(write, item),
        }
    }

    /// Begins to commit these writes and what else is in the queue, as much as one commit takes; `None` when there is nothing.
    async fn begin(&mut self, mut waiting: Waiting) -> Option<Underway> {
        while waiting.writes.len() < self.limit
            && let Ok((write, item)) = self.receiver.try_recv()
        {
            self.enqueue(&mut waiting, write, item);
        }
        let is_sifted =
            std::mem::take(&mut self.must_sift) || self.aside.as_ref().is_some_and(|aside| !aside.is_empty());
        if is_sifted && !waiting.writes.is_empty() {
            waiting = self.sift(waiting).await;
        }
        let Waiting { writes, items } = waiting;
        if writes.is_empty() {
            return None;
        }
        let batch = Arc::new(writes);
        let (backend, writes, begun) = (Arc::clone(&self.backend), Arc::clone(&batch), Instant::now());
        let commit: Answers = Box::pin(async move { backend.commit(writes).await });
        let mut commit = Box::pin(maybe_done(commit));
        // A future does nothing before it is polled.
        let _ = poll!(commit.as_mut());
        Some(Underway { batch, items, is_sifted, begun, commit })
    }

    /// Something is in the way of these writes. They are tried again without those of them that are seen to be blocked; when
    /// that was done already, all of them wait apart, where each is tried alone.
    fn step_aside(&mut self, batch: &[Write], items: Vec<Item>, is_sifted: bool) -> Waiting {
        let mut kept = Waiting::default();
        for (write, item) in batch.iter().zip(items) {
            if is_sifted {
                self.aside().put(write.clone(), item, held_up());
            } else {
                kept.push(write.clone(), item);
            }
        }
        self.must_sift = !is_sifted;
        kept
    }

    /// Puts those aside that something is in the way of, with whatever must not overtake them.
    async fn sift(&mut self, waiting: Waiting) -> Waiting {
        let Waiting { writes, items } = waiting;
        let writes = Arc::new(writes);
        let blocked = find_blocked(&*self.backend, &writes).await;
        let mut free = Waiting::default();
        for (at, (write, item)) in Arc::unwrap_or_clone(writes).into_iter().zip(items).enumerate() {
            if blocked.contains(&at) {
                self.aside().put(write, item, held_up());
            } else {
                self.enqueue(&mut free, write, item);
            }
        }
        free
    }

    fn aside(&mut self) -> &Aside {
        let start = || Aside::start(Arc::clone(&self.backend), self.limit, self.closed.clone());
        self.aside.get_or_insert_with(start)
    }

    fn succeed(&mut self, batch: &[Write], items: Vec<Item>, results: Vec<Written>) {
        if self.failures > 0 {
            tracing::info!(attempts = self.failures + 1, "the store takes commits again");
            (self.failures, self.failing_since) = (0, None);
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
            let (alone, begun) = (Arc::new(vec![write.clone()]), Instant::now());
            match self.backend.commit(Arc::clone(&alone)).await {
                Ok(results) => self.succeed(&alone, vec![item], results),
                Err(error) if error.is_retryable() => {
                    let left = self.fail(&alone, vec![item], &error, begun);
                    kept.writes.extend(left.writes);
                    kept.items.extend(left.items);
                }
                Err(error) => self.refuse(&alone, vec![item], &error),
            }
        }
        kept
    }

    /// The store cannot make this write. What must happen waits apart until it can: somebody may find the reason and remove it.
    fn refuse(&mut self, alone: &[Write], items: Vec<Item>, error: &BackendError) {
        for (write, item) in alone.iter().zip(items) {
            if item.patience == Patience::Endless && !self.closed.is_cancelled() {
                self.aside().put(write.clone(), item, error.clone());
            } else {
                (item.done)(write, Err(error.clone()));
            }
        }
    }

    /// The store is away. Keeps what may be repeated, and answers the rest.
    fn fail(&mut self, batch: &[Write], items: Vec<Item>, error: &BackendError, begun: Instant) -> Waiting {
        self.failures += 1;
        let since = *self.failing_since.get_or_insert(begun);
        let is_short = self.failures < SHORT_ATTEMPTS && since.elapsed() < LONGEST_WAIT;
        if self.failures == 1 {
            tracing::error!(%error, source = ?std::error::Error::source(error), "the store does not take a commit, trying again");
        }
        let mut kept = Waiting::default();
        for (write, item) in batch.iter().zip(items) {
            let keep = match item.patience {
                _ if self.closed.is_cancelled() => false,
                Patience::Endless => true,
                Patience::Short => is_short,
                Patience::Once => error.is_unapplied() && is_short,
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
