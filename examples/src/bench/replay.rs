//! How long it takes to replay the history of an instance, in a hub that has just been started.

use std::time::{Duration, Instant};

use durable_core::prelude::*;

use super::functions::SharedMarks;
use super::latencies::{Latencies, ms};
use super::store::Store;
use super::verdict::NOT_MEASURED;
use super::{Outcome, hub_with};

/// How often the history is replayed; the median counts.
const REPLAYS: usize = 5;

/// The event that the instances wait for. It comes with the last replay.
const END: &str = "End";

/// The event of the other replays. Nobody waits for it, which is known only when the history was replayed.
const WAKE: &str = "Wake";

/// An instance with a history, and such without one. All of them wait for their event, and nothing else does.
pub(super) struct Waiting {
    pub(super) long: InstanceId,
    pub(super) short: Vec<InstanceId>,
}

/// The times of several replays in milliseconds, each less what everything around it takes. A short one may drown in that, and
/// come out as less than nothing.
#[derive(Debug, Default)]
pub(super) struct Replays(Vec<f64>);

impl Replays {
    /// Wakes the instances in hub after hub, and ends them in the last one.
    pub(super) async fn measure(store: &Store, waiting: &Waiting) -> Outcome<Self> {
        let mut times = Vec::new();
        for replay in 1..=REPLAYS {
            times.push(one(store, waiting, replay == REPLAYS).await?);
        }
        Ok(Self(times))
    }

    pub(super) fn count(&self) -> usize {
        self.0.len()
    }

    /// The median, where there is one that is more than nothing.
    pub(super) fn median_ms(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        let median = sorted.get(sorted.len().saturating_sub(1) / 2).copied();
        median.filter(|time| *time > 0.0).unwrap_or(NOT_MEASURED)
    }

    /// How many of so many events are replayed in a second.
    pub(super) fn events_per_s(&self, events: f64) -> f64 {
        events / self.median_ms() * 1e3
    }
}

/// How much longer it takes to wake the long instance than to wake a short one, in milliseconds.
async fn one(store: &Store, waiting: &Waiting, is_last: bool) -> Outcome<f64> {
    let hub = hub_with(store, SharedMarks::default())?.start().await?;
    // An event that ends nothing is not among those which `--acknowledged` tells of.
    let (client, event) = if is_last { (store.client(&hub), END) } else { (hub.client(), WAKE) };
    let mut bare = Latencies::default();
    for id in &waiting.short {
        bare.push(wake(store, &client, id, event).await?);
    }
    let whole = wake(store, &client, &waiting.long, event).await?;
    if is_last {
        for id in waiting.short.iter().chain([&waiting.long]) {
            client.instance::<(), _>(id.clone())?.output().await?;
        }
    }
    hub.shutdown().await?;
    Ok(ms(whole) - bare.median_ms())
}

/// From the call of `raise_event` until the turn that it brings about is committed.
async fn wake(store: &Store, client: &Client, id: &InstanceId, event: &str) -> Outcome<Duration> {
    let turns = store.counts.seen().turns + 1;
    let begun = Instant::now();
    client.raise_event(id, event, &()).await?;
    store.counts.until(|seen| seen.turns >= turns).await;
    Ok(begun.elapsed())
}

#[cfg(test)]
mod tests {
    use super::super::verdict::{Limit, Verdict};
    use super::*;

    fn verdict(times: &[f64]) -> Verdict {
        Limit::AtLeast(500_000.0).verdict(Replays(times.to_vec()).events_per_s(1_000.0))
    }

    #[test]
    fn the_median_of_the_replays_decides() {
        // 1,000 events in 2 ms are 500,000 in a second.
        assert_eq!(verdict(&[9.0, 1.0, 2.0, 9.0, 1.0]), Verdict::Met, "two that were disturbed do not count");
        assert_eq!(verdict(&[1.0, 3.0, 3.0, 1.0, 3.0]), Verdict::Missed, "nor do two that were lucky");
    }

    #[test]
    fn without_a_replay_there_is_no_verdict() {
        assert_eq!(verdict(&[]), Verdict::NotMeasured);
        assert_eq!(verdict(&[-0.1, -0.2, 0.0, 1.0, 1.0]), Verdict::NotMeasured, "most of them took no time at all");
        assert_eq!(verdict(&[f64::NAN]), Verdict::NotMeasured);
    }
}
