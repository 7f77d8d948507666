//! What tests of several workers share.

use std::sync::{Arc, Mutex};

use durable_core::history::HistoryEvent;
use durable_core::prelude::*;
use tokio::sync::{Semaphore, mpsc};

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
