//! The worker: it runs the code of orchestrators and activities for a work source.

mod activities;
mod check;
mod heartbeats;
mod options;
mod turns;
mod warm;

use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::activity::StateMap;
use crate::engine::{Clock, SourceError, WorkOffer, WorkSource};
use crate::registry::Registry;

pub use crate::replay::EventOrder;

pub use self::check::{CheckedTurn, Code, Refusal, RefusalReason, TurnCheck};
pub use self::options::{NonDeterminismPolicy, VersionMatch, VersionMismatch, WorkerOptions};

/// A running worker.
#[derive(Debug)]
pub struct Worker {
    loops: Vec<JoinHandle<()>>,
    slots: [Arc<Semaphore>; 2],
    running: TaskTracker,
    abort: CancellationToken,
    options: WorkerOptions,
}

/// What every task of a worker shares.
struct Shared {
    source: Arc<dyn WorkSource>,
    registry: Registry,
    state: StateMap,
    options: WorkerOptions,
    check: Option<Arc<dyn TurnCheck>>,
    /// Rules how long activities may take.
    clock: Arc<dyn Clock>,
    warm: warm::WarmExecutors,
    running: TaskTracker,
    /// How many turns may run at once.
    turn_slots: Arc<Semaphore>,
    /// Activities that are still running when the drain is over are dropped.
    abort: CancellationToken,
}

impl Worker {
    /// Starts to take work.
    ///
    /// # Errors
    ///
    /// The source cannot be opened.
    pub async fn start(
        source: Arc<dyn WorkSource>,
        registry: Registry,
        state: StateMap,
        options: WorkerOptions,
        clock: Arc<dyn Clock>,
        check: Option<Arc<dyn TurnCheck>>,
    ) -> Result<Self, SourceError> {
        let offer = WorkOffer {
            orchestrators: registry
                .orchestrator_names()
                .into_iter()
                .map(|name| (name.clone(), registry.versions(&name)))
                .collect(),
            default_version: options.version.clone(),
            takes: options.takes(),
            rehearsal: Some(turns::rehearsal(registry.clone(), &options)),
            activities: registry.activity_names(),
            max_activities: options.max_activities.max(1),
        };
        let slots = [options.max_turns, options.max_activities].map(|limit| Arc::new(Semaphore::new(limit.max(1))));
        let shared = Arc::new(Shared {
            source: Arc::clone(&source),
            registry,
            state,
            clock,
            check,
            warm: warm::WarmExecutors::new(options.warm_instances),
            running: TaskTracker::new(),
            turn_slots: Arc::clone(&slots[0]),
            abort: CancellationToken::new(),
            options: options.clone(),
        });
        source.open(offer).await?;
        let loops = vec![
            tokio::spawn(turns::take_turns(Arc::clone(&shared), Arc::clone(&slots[0]))),
            tokio::spawn(activities::take_activities(Arc::clone(&shared), Arc::clone(&slots[1]))),
        ];
        Ok(Self { loops, slots, running: shared.running.clone(), abort: shared.abort.clone(), options })
    }

    /// Waits for what is running, at most for the drain timeout; the source must have stopped giving work. An activity that
    /// takes longer is dropped, and runs again after the next start.
    pub async fn drain(self) {
        // Nobody who waits for a free slot gets one any more.
        self.slots.iter().for_each(|slots| slots.close());
        for work in self.loops {
            let _ = work.await;
        }
        self.running.close();
        if tokio::time::timeout(self.options.drain_timeout, self.running.wait()).await.is_err() {
            tracing::warn!(left = self.running.len(), "the drain timeout is over, dropping what still runs");
            self.abort.cancel();
        }
    }
}
