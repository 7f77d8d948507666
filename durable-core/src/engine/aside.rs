//! Writes that something else is in the way of, such as a lock that somebody holds, or that the store refuses although they
//! must happen. They wait apart from all others, and those about the same instance keep their order.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::group::{Item, LONGEST_WAIT, Patience, Pauses};
use crate::backend::{Backend, BackendError, BackendErrorKind, InstanceKey, MessageTarget, Write, Written};

/// The longest pause between two attempts: somebody may wait for what was locked a moment ago.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How many writes may fail alone, each after a while, before the others are tried together once more.
const FAILURES: usize = 3;

/// What writes are about. An instance that one names by its key and another by its id counts as two: whoever knows only the
/// id waits for the answer before it does more.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Key(InstanceKey),
    Id(String),
}

/// The instances that a write is about, apart from those that it sends something to.
fn subjects(write: &Write) -> Vec<Subject> {
    let key = |key: &InstanceKey| vec![Subject::Key(*key)];
    match write {
        Write::Create(create) => vec![Subject::Id(create.id.clone())],
        Write::Watch { id } => vec![Subject::Id(id.clone())],
        Write::Message(message) => match &message.to {
            MessageTarget::Id(id) => vec![Subject::Id(id.clone())],
            MessageTarget::Execution(to, _) => key(to),
        },
        Write::Turn(turn) => key(&turn.key),
        Write::Claim { key: of, .. }
        | Write::Attempt { key: of, .. }
        | Write::Stall { key: of, .. }
        | Write::Progress { key: of, .. } => key(of),
        Write::Release(releases) => releases.iter().map(|release| Subject::Key(release.key)).collect(),
        Write::HandBack(calls) => calls.iter().map(|held| Subject::Key(held.key)).collect(),
        Write::Rewind(rewinds) => rewinds.iter().map(|rewind| Subject::Key(rewind.key)).collect(),
        Write::Purge { keys, .. } => keys.iter().copied().map(Subject::Key).collect(),
        Write::ClaimReady { .. } | Write::ClaimActivities { .. } | Write::Expire { .. } => Vec::new(),
    }
}

/// How many writes wait that are about something.
#[derive(Default)]
struct Held {
    of: HashMap<Subject, usize>,
    writes: usize,
}

/// The way to the writes that wait apart.
pub(super) struct Aside {
    held: Arc<Mutex<Held>>,
    queue: mpsc::UnboundedSender<Late>,
    keeper: JoinHandle<()>,
}

struct Late {
    write: Write,
    item: Item,
    /// Why it waits.
    error: BackendError,
    since: Instant,
}

impl Aside {
    pub(super) fn start(backend: Arc<dyn Backend>, limit: usize, closed: CancellationToken) -> Self {
        let (queue, receiver) = mpsc::unbounded_channel();
        let held = Arc::<Mutex<Held>>::default();
        let keeper = Keeper { backend, receiver, held: Arc::clone(&held), limit, closed };
        Self { held, queue, keeper: tokio::spawn(keeper.run()) }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.held.lock().writes == 0
    }

    /// Whether a write must not overtake one that waits here.
    pub(super) fn holds_up(&self, write: &Write) -> bool {
        let held = self.held.lock();
        held.writes > 0 && subjects(write).iter().any(|subject| held.of.contains_key(subject))
    }

    /// A write waits from now on, because of this.
    pub(super) fn put(&self, write: Write, item: Item, error: BackendError) {
        let mut held = self.held.lock();
        held.writes += 1;
        for subject in subjects(&write) {
            *held.of.entry(subject).or_default() += 1;
        }
        drop(held);
        let late = Late { write, item, error, since: Instant::now() };
        if let Err(mpsc::error::SendError(late)) = self.queue.send(late) {
            (late.item.done)(&late.write, Err(late.error));
        }
    }

    /// Waits until nothing is left here.
    pub(super) async fn finish(self) {
        drop(self.queue);
        let _ = self.keeper.await;
    }
}

/// The answer to a write whose turn does not come.
pub(super) fn held_up() -> BackendError {
    BackendError::new(BackendErrorKind::Unavailable, "somebody else holds a lock in the store for long").blocked()
}

/// What a round has found out, by the positions of the writes.
#[derive(Default)]
struct Attempt {
    answers: HashMap<usize, Result<Written, BackendError>>,
    /// Something is in the way of these.
    stuck: HashSet<usize>,
}

struct Keeper {
    backend: Arc<dyn Backend>,
    receiver: mpsc::UnboundedReceiver<Late>,
    held: Arc<Mutex<Held>>,
    limit: usize,
    closed: CancellationToken,
}

impl Keeper {
    async fn run(mut self) {
        while let Some(first) = self.receiver.recv().await {
            let error = &first.error;
            tracing::warn!(
                %error, source = ?std::error::Error::source(error),
                "a write does not get through: it is tried again, apart from everything else"
            );
            let mut waiting = vec![first];
            let mut pauses = Pauses::new(LONGEST_PAUSE);
            while !waiting.is_empty() {
                while let Ok(late) = self.receiver.try_recv() {
                    waiting.push(late);
                }
                let before = waiting.len();
                waiting = self.round(waiting).await;
                if waiting.len() < before {
                    pauses = Pauses::new(LONGEST_PAUSE);
                }
                if !waiting.is_empty() {
                    pauses.pause(&self.closed).await;
                }
            }
            tracing::info!("what did not get through has done so");
        }
    }

    /// Tries them, and gives those that wait on: those first whose turn did not come.
    async fn round(&self, waiting: Vec<Late>) -> Vec<Late> {
        let batch = Arc::new(waiting.iter().map(|late| late.write.clone()).collect());
        let Attempt { mut answers, stuck } = self.attempt(batch).await;
        let (mut first, mut last) = (Vec::new(), Vec::new());
        let mut behind = HashSet::new();
        for (at, late) in waiting.into_iter().enumerate() {
            let answer = answers.remove(&at).unwrap_or_else(|| Err(held_up()));
            match answer {
                Err(error) if self.keeps(&late, &error) => {
                    let about = subjects(&late.write);
                    if stuck.contains(&at) || about.iter().any(|subject| behind.contains(subject)) {
                        behind.extend(about);
                        last.push(late);
                    } else {
                        first.push(late);
                    }
                }
                answer => {
                    let subjects = subjects(&late.write);
                    (late.item.done)(&late.write, answer);
                    // Later writes are made elsewhere from here on.
                    self.let_go(subjects);
                }
            }
        }
        first.append(&mut last);
        first
    }

    fn keeps(&self, late: &Late, error: &BackendError) -> bool {
        let waits_for_long = || late.since.elapsed() >= LONGEST_WAIT;
        !self.closed.is_cancelled()
            && match late.item.patience {
                Patience::Endless => true,
                Patience::Short => error.is_retryable() && !waits_for_long(),
                Patience::Once => error.is_retryable() && error.is_unapplied() && !waits_for_long(),
            }
    }

    fn let_go(&self, subjects: Vec<Subject>) {
        let mut held = self.held.lock();
        held.writes -= 1;
        for subject in subjects {
            if let Some(count) = held.of.get_mut(&subject) {
                *count -= 1;
                if *count == 0 {
                    held.of.remove(&subject);
                }
            }
        }
    }

    async fn attempt(&self, batch: Arc<Vec<Write>>) -> Attempt {
        let blocked = find_blocked(&*self.backend, &batch).await;
        let mut attempt = Attempt::default();
        let mut stay = HashSet::new();
        let mut free = Vec::new();
        for (at, write) in batch.iter().enumerate() {
            let about = subjects(write);
            if blocked.contains(&at) || about.iter().any(|subject| stay.contains(subject)) {
                stay.extend(about);
                attempt.stuck.insert(at);
            } else {
                free.push(at);
            }
        }
        free.truncate(self.limit);
        if free.is_empty() {
            return attempt;
        }
        let writes = Arc::new(free.iter().map(|at| batch[*at].clone()).collect());
        match self.backend.commit(writes).await {
            Ok(results) => attempt.answers.extend(free.into_iter().zip(results.into_iter().map(Ok))),
            Err(error) if free.len() == 1 || error.is_retryable() && !error.is_blocked() => {
                attempt.answers.extend(free.into_iter().map(|at| (at, Err(error.clone()))));
            }
            Err(_) => self.one_by_one(&batch, free, stay, &mut attempt).await,
        }
        attempt
    }

    /// Something is in the way that cannot be seen. Alone, each write finds it out for itself.
    async fn one_by_one(&self, batch: &[Write], free: Vec<usize>, mut stay: HashSet<Subject>, attempt: &mut Attempt) {
        let mut failures = 0;
        for at in free {
            if failures >= if self.closed.is_cancelled() { 1 } else { FAILURES } {
                break;
            }
            let about = subjects(&batch[at]);
            if about.iter().any(|subject| stay.contains(subject)) {
                stay.extend(about);
                continue;
            }
            let written = self.backend.commit(Arc::new(vec![batch[at].clone()])).await;
            let written = written.and_then(|results| results.into_iter().next().ok_or_else(held_up));
            if written.is_err() {
                failures += 1;
                stay.extend(about);
                attempt.stuck.insert(at);
            }
            attempt.answers.insert(at, written);
        }
    }
}

/// The positions of writes that something is in the way of, as far as the store can tell.
pub(super) async fn find_blocked(backend: &dyn Backend, batch: &Arc<Vec<Write>>) -> HashSet<usize> {
    let Some(shared) = backend.shared() else { return HashSet::new() };
    match shared.blocked(Arc::clone(batch)).await {
        Ok(blocked) => blocked.into_iter().collect(),
        Err(error) => {
            tracing::debug!(%error, "the store does not tell what is locked");
            HashSet::new()
        }
    }
}
