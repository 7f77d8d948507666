//! The heartbeats of one run of an activity.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::BoxFuture;
use crate::activity::{HeartbeatError, ProgressReporter};
use crate::engine::{ActivityLease, WorkSource};
use crate::model::Payload;

/// Passes heartbeats on to the work source, and counts them.
#[derive(Clone)]
pub(super) struct Heartbeats {
    source: Arc<dyn WorkSource>,
    lease: ActivityLease,
    last: Option<Payload>,
    count: Arc<AtomicU64>,
}

impl Heartbeats {
    pub(super) fn new(source: Arc<dyn WorkSource>, lease: ActivityLease, last: Option<Payload>) -> Self {
        Self { source, lease, last, count: Arc::default() }
    }

    /// How many there were.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

impl ProgressReporter for Heartbeats {
    fn report(&self, progress: Payload) -> BoxFuture<'_, Result<(), HeartbeatError>> {
        self.count.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            self.source.heartbeat(&self.lease, progress).await.map_err(|error| HeartbeatError::new(error.into()))
        })
    }

    fn last(&self) -> Option<&Payload> {
        self.last.as_ref()
    }
}
