//! What is left runs to its end, and must look as if nobody had been killed.

use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::backend::Backend;
use durable_core::engine::{Clock, SystemClock};
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::Timestamp;
use durable_core::prelude::*;
use examples::bench::{HUB, functions};

use super::account::{Account, rows};
use super::valid_history::check_history;

/// How long an instance may take that has nothing to wait for any more. Nothing but a failure takes so long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Which time it is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Time {
    /// So late that every timer of the benchmark is due.
    Ahead,
    /// That of a store which several processes share.
    OfTheStore,
}

/// Runs all instances to their ends and looks at their outputs and histories. Those that wait for an event get it here, unless
/// one was acknowledged: then it must be there.
pub(crate) async fn run_to_the_end(store: impl Backend, account: &Account, time: Time) {
    let instances = rows(&store).await;
    let hub = functions(TaskHub::builder().name(HUB).backend(store));
    let hub = if matches!(time, Time::Ahead) { hub.clock(Later) } else { hub };
    let hub = hub.start().await.unwrap();
    let client = hub.client();
    for row in &instances {
        let waits = matches!(row.name.as_str(), "wait_for_event" | "long_sequence") && !row.status.is_terminal();
        if waits && !account.has_event_of(&row.id) {
            // It may just have ended because of an event that nobody was told of.
            let _ = client.raise_event(&InstanceId::try_from(row.id.clone()).unwrap(), "End", &()).await;
        }
    }
    for row in &instances {
        let run = client.instance::<(), _>(row.id.clone()).unwrap();
        let status = run.wait_timeout(PATIENCE).await.unwrap();
        let (id, name) = (&row.id, &row.name);
        let has_event = account.has_event_of(id);
        let (came, failure) = (status.runtime_status, status.failure);
        assert_eq!(came, RuntimeStatus::Completed, "{name} {id}, event acknowledged: {has_event}, {failure:?}");
        let input = status.input.to_string();
        let output = if matches!(name.as_str(), "fan_out" | "wait_until") { &input } else { "null" };
        assert_eq!(status.output.unwrap().to_string(), output, "{name} {id}");
        let history = client.history(run.id()).await.unwrap().unwrap();
        check_history(&history, name);
        check_events(&history, name, &input);
    }
    hub.shutdown().await.unwrap();
}

/// The history has as many calls, timers and events as the code asks for.
fn check_events(history: &[HistoryEvent], name: &str, input: &str) {
    let count = |is_one: fn(&EventKind) -> bool| history.iter().filter(|event| is_one(&event.kind)).count();
    let calls = count(|kind| matches!(kind, EventKind::TaskScheduled { .. }));
    let timers = count(|kind| matches!(kind, EventKind::TimerFired { .. }));
    // One that nobody was told of may have come besides that which was raised here.
    let events = count(|kind| matches!(kind, EventKind::EventRaised { .. })).min(1);
    let expected = match name {
        "sequence" | "fan_out" => (input.parse().unwrap(), 0, 0),
        "long_sequence" => (input.parse().unwrap(), 0, 1),
        "wait_for_event" => (0, 0, 1),
        "wait_until" => (0, 1, 0),
        _ => panic!("the benchmark does not run {name}"),
    };
    assert_eq!((calls, timers, events), expected, "calls, timers and events of {name} with {input}");
}

/// A clock that is ahead of the others by more than the longest timer of the benchmark.
struct Later;

const AHEAD: Duration = Duration::from_secs(2 * 3600);

impl Clock for Later {
    fn now(&self) -> Timestamp {
        SystemClock.now().saturating_add(AHEAD)
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.saturating_since(self.now());
        SystemClock.sleep_until(SystemClock.now().saturating_add(left))
    }

    fn elapsed(&self) -> Duration {
        SystemClock.elapsed()
    }
}
