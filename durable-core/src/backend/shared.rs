//! Several workers on one store: leases, heartbeats, and hints from one to another.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

use super::error::BackendError;
use super::rows::{InstanceKey, WorkerId};
use super::write::Write;
use crate::model::{Timestamp, Version, VersionSet};

/// What a store does beyond [`Backend`](super::Backend) that several workers use at the same time.
///
/// A worker lives until it is detached or its lease ends; a heartbeat prolongs the lease. What is owned or run by a worker that
/// does not live may be taken by any other. Nobody is asked whether it lives when it commits something: fences do that, since
/// a take-over bumps the epoch of an instance and changes the claim of a call. So a worker that was paused beyond its lease
/// goes on with whatever nobody has taken meanwhile, and is refused everywhere else.
///
/// All leases, and which timers are due, follow the time of the store, never that of a worker.
#[async_trait]
pub trait SharedBackend: Send + Sync {
    /// Prolongs the lease of a worker to `lease` after the store's present time, and looks around for it. One round trip.
    /// `None` when the worker was detached or is not known any more; then it has lost all that it owned.
    ///
    /// The lease ends where the last heartbeat has put it: one of no length ends it at once.
    ///
    /// # Errors
    ///
    /// The store failed. Whether the lease was prolonged is unknown.
    async fn heartbeat(&self, heartbeat: Heartbeat) -> Result<Option<Pulse>, BackendError>;

    /// The unread messages of instances after the given positions of their inboxes, by key and then by position. Whoever
    /// owns them is not asked.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn unread(&self, after: Vec<(InstanceKey, u64)>) -> Result<Vec<Unread>, BackendError>;

    /// The positions of those writes in a batch that somebody else's lock is in the way of at this moment, as far as the store
    /// can tell without waiting. Nothing is written.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn blocked(&self, _batch: Arc<Vec<Write>>) -> Result<Vec<usize>, BackendError> {
        Ok(Vec::new())
    }

    /// Passes hints on to other workers, never inside the transaction that brought them about. They may get lost, arrive twice
    /// or late, and be made coarser; the worker that sends them may or may not hear them itself. What does not get through is
    /// found by the heartbeat of whoever should have got it, so no error is reported.
    async fn notify(&self, notices: Vec<Notice>);

    /// Begins to listen to hints for a worker, and for everybody. When this returns, it listens. Dropping what it gives ends it.
    ///
    /// # Errors
    ///
    /// The store failed.
    async fn listen(&self, worker: WorkerId) -> Result<Notices, BackendError>;
}

/// A sign of life, and what the worker wants to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heartbeat {
    /// Who lives.
    pub worker: WorkerId,
    /// How long it lives without another one.
    pub lease: Duration,
    /// Which of its own instances are looked through: those with keys above this.
    pub after: InstanceKey,
    /// The most of its own instances to name.
    pub limit: usize,
    /// Ids of instances whose ends somebody waits for here.
    pub watching: Vec<String>,
    /// Which instances it is to be told of that have something to do.
    pub orchestrators: RunnableOrchestrators,
    /// Which calls it is to be told of that wait for a runner.
    pub activities: RunnableActivities,
}

/// What a heartbeat finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulse {
    /// The store's time.
    pub now: Timestamp,
    /// Some instance that the worker can run has something to do, as in [`Write::ClaimReady`](super::Write::ClaimReady), and no
    /// living owner.
    pub instances: bool,
    /// Some activity call that the worker can run has no living runner.
    pub calls: bool,
    /// Instances of the worker that have something to do, as in [`Write::ClaimReady`](super::Write::ClaimReady), each with the
    /// last position that was given out in its inbox; by key.
    pub own: Vec<(InstanceKey, u64)>,
    /// Which of the watched ids belong to an instance that is finished, or to none.
    pub ended: Vec<String>,
}

/// An unread message of an instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Unread {
    /// The instance.
    pub key: InstanceKey,
    /// The message.
    pub row: super::InboxRow,
}

/// What a worker can run of the orchestrators.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Runnable {
    /// The name, without regard to ASCII case.
    pub name: String,
    /// Only instances of these versions. Versions compare as [`Version`]s do, not as texts.
    pub versions: VersionSet,
}

impl Runnable {
    /// True for an instance of this name and version.
    #[must_use]
    pub fn fits(&self, name: &str, version: Option<&str>) -> bool {
        let has_version = || match (&self.versions, version.map(Version::new).transpose()) {
            (VersionSet::All, _) => true,
            (versions, Ok(version)) => versions.contains(version.as_ref()),
            (_, Err(_)) => false,
        };
        self.name.eq_ignore_ascii_case(name) && has_version()
    }
}

/// Orchestrators that a worker can run; `None` means all.
pub type RunnableOrchestrators = Option<Arc<[Runnable]>>;

/// Names of activities that a worker can run, without regard to ASCII case; `None` means all.
pub type RunnableActivities = Option<Arc<[String]>>;

/// A hint: somebody should look at something in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// For one worker: these instances of its own have new messages.
    Messages(WorkerId, Vec<InstanceKey>),
    /// For one worker: these instances are gone, or not its own any more.
    Gone(WorkerId, Vec<InstanceKey>),
    /// For all: there is something to take.
    Work {
        /// Instances without a living owner.
        instances: bool,
        /// Calls without a living runner.
        calls: bool,
    },
    /// For all: instances with these ids have been watched, and had their first turn, have ended, or are gone.
    Changed(Vec<String>),
    /// Only heard, never sent: hints may have got lost, so look at everything.
    Missed,
}

/// The hints that reach a worker. See [`SharedBackend::listen`].
#[derive(Debug)]
pub struct Notices {
    heard: mpsc::UnboundedReceiver<Notice>,
}

/// The end of a store at which hints are put in.
#[derive(Debug, Clone)]
pub struct NoticeSender {
    listener: mpsc::UnboundedSender<Notice>,
}

impl Notices {
    /// A listener and the way to it, for stores.
    #[must_use]
    pub fn channel() -> (NoticeSender, Self) {
        let (listener, heard) = mpsc::unbounded_channel();
        (NoticeSender { listener }, Self { heard })
    }

    /// The next hint; `None` when the store is closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses no hint.
    pub async fn next(&mut self) -> Option<Notice> {
        self.heard.recv().await
    }

    /// A hint that is there already.
    pub fn try_next(&mut self) -> Option<Notice> {
        self.heard.try_recv().ok()
    }
}

impl NoticeSender {
    /// Waits until nobody listens any more.
    pub async fn closed(&self) {
        self.listener.closed().await;
    }

    /// Passes a hint on. False when nobody listens any more.
    #[must_use]
    pub fn send(&self, notice: Notice) -> bool {
        self.listener.send(notice).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_in_any_case_and_versions_in_their_order() {
        let version = |text| Some(Version::new(text).unwrap());
        let all = Runnable { name: "Order".to_owned(), versions: VersionSet::All };
        assert!(all.fits("order", None) && all.fits("ORDER", Some("1.0")) && !all.fits("orders", None));
        let some = Runnable { versions: VersionSet::These(vec![None, version("2.0")]), ..all.clone() };
        assert!(some.fits("order", None) && some.fits("order", Some("2.0")) && !some.fits("order", Some("1.0")));
        let old = Runnable { versions: VersionSet::Through(version("1.10")), ..all.clone() };
        assert!(old.fits("order", None) && old.fits("order", Some("1.9")) && !old.fits("order", Some("1.11")));
        let none = Runnable { versions: VersionSet::Through(None), ..all };
        assert!(none.fits("order", None) && !none.fits("order", Some("1.0")));
    }
}
