//! What the engine's tests share.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::hub::TaskHubBuilder;
use durable_core::prelude::*;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, mpsc};

/// A hub in a runtime of its own, which can be ended like a process.
pub(crate) struct Process {
    runtime: Runtime,
    pub(crate) hub: TaskHub,
}

impl Process {
    pub(crate) fn start(hub: TaskHubBuilder) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let hub = runtime.block_on(hub.start()).unwrap();
        Self { runtime, hub }
    }

    pub(crate) fn run<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Ends everything that runs, wherever it stands, and stores nothing. Afterwards nothing of it runs any more, as after
    /// the end of a process.
    pub(crate) fn crash(self) {
        drop(self.hub);
        self.runtime.shutdown_timeout(Duration::from_secs(60));
    }

    /// Like [`crash`](Self::crash), for a process whose code spins for ever: its thread is left behind.
    pub(crate) fn crash_spinning(self) {
        drop(self.hub);
        self.runtime.shutdown_background();
    }

    /// Drains.
    pub(crate) fn stop(self) {
        self.runtime.block_on(self.hub.shutdown()).unwrap();
    }
}

/// Activities that report their start and wait for permission, under a name of the test's.
pub(crate) struct Gate {
    pub(crate) started: tokio::sync::Mutex<mpsc::UnboundedReceiver<String>>,
    start: mpsc::UnboundedSender<String>,
    open: Semaphore,
}

impl Gate {
    pub(crate) fn new() -> Arc<Self> {
        let (start, started) = mpsc::unbounded_channel();
        Arc::new(Self { started: tokio::sync::Mutex::new(started), start, open: Semaphore::new(0) })
    }

    /// What an activity does at the gate.
    pub(crate) async fn pass(&self, who: impl ToString) {
        let _ = self.start.send(who.to_string());
        self.open.acquire().await.unwrap().forget();
    }

    /// Waits until somebody is at the gate.
    pub(crate) async fn arrival(&self) -> String {
        self.started.lock().await.recv().await.unwrap()
    }

    pub(crate) fn let_through(&self, count: usize) {
        self.open.add_permits(count);
    }
}

/// A log that outlives crashes.
pub(crate) type Log = Arc<Mutex<Vec<String>>>;

pub(crate) async fn history(hub: &TaskHub, id: &InstanceId) -> Vec<HistoryEvent> {
    hub.client().history(id).await.unwrap().unwrap()
}

/// The names of the events without the borders of turns.
pub(crate) fn names(history: &[HistoryEvent]) -> Vec<&'static str> {
    let borders = |name: &&str| *name != "OrchestratorStarted" && *name != "OrchestratorCompleted";
    history.iter().map(|event| event.kind.name()).filter(borders).collect()
}

/// How many events each turn received.
pub(crate) fn received_per_turn(history: &[HistoryEvent]) -> Vec<usize> {
    let turns = history.split(|event| event.kind == EventKind::OrchestratorStarted).skip(1);
    let received = |event: &&HistoryEvent| !event.kind.is_action() && event.kind != EventKind::OrchestratorCompleted;
    turns.map(|turn| turn.iter().filter(received).count()).collect()
}
