//! Removing finished instances when they are old enough.
//!
//! The store answers each removal with the age of the oldest instance that is left, so the watcher knows when to look again, and
//! sleeps until then. Where nothing is left, it waits for the next instance to end. So an idle hub makes no queries.
//!
//! Several workers on one store may all do this: whoever comes first removes what is due, and the others find less. They
//! look at different times, each a little later than it could. One that has found nothing waits for instances that end with
//! itself; those of others are removed by the others.

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::group::Patience;
use super::local::{Inner, LocalEngine};
use crate::backend::{Gone, WorkerId, Write, Written};
use crate::client::{ClientError, ClientErrorKind};
use crate::model::{Retention, RuntimeStatus, Timestamp};

/// The most instances that one transaction removes, so that other writes do not wait long.
const AT_ONCE: usize = 200;

/// The most by which a removal comes later than it could. What becomes due meanwhile goes with it.
const LONGEST_DELAY: Duration = Duration::from_secs(60);

/// The longest pause after a removal, and after a failed one.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_RETREAT: Duration = Duration::from_secs(60);

/// Tells the watcher of ends that it waits for.
#[derive(Debug, Default)]
pub(super) struct Ends {
    /// The statuses that are waited for, a bit for each.
    awaited: AtomicU8,
    came: AtomicU8,
    told: Notify,
}

impl Ends {
    /// An instance has ended.
    pub(super) fn happened(&self, status: RuntimeStatus) {
        if self.awaited.load(Ordering::SeqCst) & bit(status) != 0 {
            self.awaited.fetch_and(!bit(status), Ordering::SeqCst);
            self.came.fetch_or(bit(status), Ordering::SeqCst);
            self.told.notify_one();
        }
    }

    fn wait_for(&self, status: RuntimeStatus) {
        self.awaited.fetch_or(bit(status), Ordering::SeqCst);
    }

    /// Whether an instance has ended since the wait began.
    fn take(&self, status: RuntimeStatus) -> bool {
        self.came.fetch_and(!bit(status), Ordering::SeqCst) & bit(status) != 0
    }
}

fn bit(status: RuntimeStatus) -> u8 {
    1 << status.code()
}

/// How long instances with one status are kept.
#[derive(Debug)]
struct Rule {
    status: RuntimeStatus,
    age: Duration,
    delay: Duration,
    /// When something may be due; `None` when nothing has ended with this status.
    look_at: Option<Timestamp>,
}

impl Rule {
    fn all(retention: &Retention, worker: WorkerId, now: Timestamp) -> Vec<Self> {
        let rule = |status| {
            let age = retention.age(status)?;
            Some(Self { status, age, delay: delay(age, worker), look_at: Some(now) })
        };
        RuntimeStatus::ALL.into_iter().filter_map(rule).collect()
    }

    /// When to remove what has ended at this time.
    fn due(&self, ended: Timestamp) -> Timestamp {
        ended.saturating_add(self.age).saturating_add(self.delay)
    }
}

/// A 32nd of the age, less for some workers.
fn delay(age: Duration, worker: WorkerId) -> Duration {
    let longest = (age / 32).min(LONGEST_DELAY);
    longest * (8 - worker.0.rem_euclid(4).unsigned_abs() as u32) / 8
}

/// What was removed since something was due.
#[derive(Debug, Default)]
struct Round {
    removed: Vec<(RuntimeStatus, usize)>,
}

impl Round {
    fn add(&mut self, status: RuntimeStatus, count: usize) {
        match self.removed.iter_mut().find(|(of, _)| *of == status) {
            Some((_, sum)) => *sum += count,
            None => self.removed.push((status, count)),
        }
    }

    fn tell(&mut self) {
        let of = |wanted| self.removed.iter().find(|(status, _)| *status == wanted).map_or(0, |(_, count)| *count);
        if self.removed.iter().any(|(_, count)| *count > 0) {
            tracing::info!(
                completed = of(RuntimeStatus::Completed),
                failed = of(RuntimeStatus::Failed),
                canceled = of(RuntimeStatus::Canceled),
                terminated = of(RuntimeStatus::Terminated),
                "finished instances were removed because of their age"
            );
        }
        self.removed.clear();
    }
}

/// Removes what is old enough, one small transaction after the other, and sleeps until the next instance is.
pub(super) async fn remove_old(engine: LocalEngine) {
    let inner = &engine.inner;
    let mut rules = Rule::all(&inner.options.retention, inner.worker(), inner.clock.now());
    let (mut round, mut failures) = (Round::default(), 0);
    while !inner.is_closing() {
        let now = inner.clock.now();
        for rule in rules.iter_mut().filter(|rule| inner.ends.take(rule.status)) {
            rule.look_at = Some(rule.due(now));
        }
        // The one first that has waited longest, so that a long row of one status does not keep the others.
        let due = rules.iter_mut().filter(|rule| rule.look_at.is_some_and(|at| at <= now));
        let Some(rule) = due.min_by_key(|rule| rule.look_at) else {
            round.tell();
            let next = rules.iter().filter_map(|rule| rule.look_at).min();
            sleep(inner, next).await;
            continue;
        };
        let through = Timestamp::from_ticks(now.ticks().saturating_sub(ticks(rule.age)));
        match engine.expire(rule.status, through).await {
            Ok((gone, oldest)) => {
                round.add(rule.status, gone.len());
                let done = inner.clock.now();
                rule.look_at = oldest.map(|oldest| if oldest <= through { done } else { rule.due(oldest) });
                failures = 0;
                // As much time for others as this has taken.
                let pause = done.saturating_since(now).min(LONGEST_PAUSE);
                sleep_out(inner, done.saturating_add(pause)).await;
            }
            Err(_) if inner.is_closing() => break,
            Err(error) => {
                failures += 1;
                if failures == 1 {
                    let source = std::error::Error::source(&error);
                    tracing::error!(%error, ?source, status = %rule.status, "old instances cannot be removed, trying again");
                }
                let retreat = Duration::from_secs(1 << failures.min(6)).min(LONGEST_RETREAT);
                rule.look_at = Some(now.saturating_add(retreat));
            }
        }
    }
    round.tell();
}

impl LocalEngine {
    /// Removes some instances with this status that have ended by `through`. Gives them, and when the oldest of the others has
    /// ended.
    async fn expire(
        &self,
        status: RuntimeStatus,
        through: Timestamp,
    ) -> Result<(Vec<Gone>, Option<Timestamp>), ClientError> {
        let engine = self.clone();
        let write = Write::Expire { status, through, limit: AT_ONCE };
        let written = self.write(write, Patience::Short, move |written| {
            if let Written::Expired { gone, oldest } = written {
                gone.iter().for_each(|gone| engine.is_gone(*gone));
                // Here, in the order of all writes, so that no end is missed.
                if oldest.is_none() {
                    engine.inner.ends.wait_for(status);
                }
            }
        });
        match written.await? {
            Written::Expired { gone, oldest } => Ok((gone, oldest)),
            _ => Err(ClientError::new(ClientErrorKind::Store)),
        }
    }
}

fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX)
}

/// Sleeps until then, or until something has ended that is waited for.
async fn sleep(inner: &Inner, until: Option<Timestamp>) {
    let told = inner.ends.told.notified();
    let clock = async {
        match until {
            Some(until) => inner.clock.sleep_until(until).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = told => {}
        () = clock => {}
        () = inner.closed.cancelled() => {}
    }
}

/// Sleeps until then whatever happens, unless the engine closes.
async fn sleep_out(inner: &Inner, until: Timestamp) {
    while inner.clock.now() < until && !inner.closed.is_cancelled() {
        tokio::select! {
            () = inner.clock.sleep_until(until) => {}
            () = inner.closed.cancelled() => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_look_at_different_times_and_none_too_late() {
        let hour = Duration::from_secs(3600);
        let delays: Vec<_> = (1..=4).map(|worker| delay(hour, WorkerId(worker))).collect();
        assert!(delays.iter().all(|delay| (LONGEST_DELAY / 2..=LONGEST_DELAY).contains(delay)), "{delays:?}");
        assert_eq!(delays.iter().collect::<std::collections::BTreeSet<_>>().len(), 4);
        assert_eq!(delay(Duration::from_secs(32), WorkerId(4)), Duration::from_secs(1));
    }

    #[test]
    fn only_ends_that_are_waited_for_are_told() {
        let ends = Ends::default();
        ends.happened(RuntimeStatus::Failed);
        ends.wait_for(RuntimeStatus::Failed);
        assert!(!ends.take(RuntimeStatus::Failed));
        ends.happened(RuntimeStatus::Completed);
        ends.happened(RuntimeStatus::Failed);
        assert!(ends.take(RuntimeStatus::Failed) && !ends.take(RuntimeStatus::Failed));
        assert!(!ends.take(RuntimeStatus::Completed));
    }
}
