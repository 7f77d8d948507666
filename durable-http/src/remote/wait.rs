//! Waiting for an instance.

use std::ops::Range;
use std::time::Duration;

use durable_core::client::{ClientError, InstanceStatus, WaitUntil};
use durable_core::model::InstanceId;
use http::Method;
use tokio::time::Instant;

use super::client::RemoteClient;
use super::transport::Call;

/// The longest single wait: proxies close connections on which nothing happens.
const LONGEST_SLICE: Duration = Duration::from_secs(30);
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// How often to ask a server that does not wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Polling {
    first: Duration,
    longest: Duration,
}

impl Polling {
    pub(super) fn new(interval: Range<Duration>) -> Self {
        let first = interval.start.max(SHORTEST_PAUSE);
        Self { first, longest: interval.end.max(first) }
    }
}

impl Default for Polling {
    fn default() -> Self {
        Self { first: Duration::from_millis(100), longest: Duration::from_secs(5) }
    }
}

impl RemoteClient {
    /// Asks until the instance has come so far or the time is over. A server that knows how to wait is asked again at once;
    /// one that answers sooner than the pause that is due is given the rest of it.
    pub(super) async fn wait_for(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> Result<Option<InstanceStatus>, ClientError> {
        // A deadline that cannot be counted is none.
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut pause = self.polling().first;
        loop {
            let asked = Instant::now();
            let left = deadline.map_or(LONGEST_SLICE, |deadline| deadline.saturating_duration_since(asked));
            let status = match until {
                WaitUntil::Finished => self.status_within(id, left.min(LONGEST_SLICE)).await?,
                _ => self.get_status(id).await?,
            };
            let over = deadline.is_some_and(|deadline| deadline <= asked);
            if over || status.as_ref().is_none_or(|status| until.is_reached(status.runtime_status)) {
                return Ok(status);
            }
            let answered = Instant::now();
            let next = asked + pause;
            if answered < next {
                // One more question at the deadline, as every waiting client of Durable Functions asks it.
                tokio::time::sleep_until(deadline.map_or(next, |deadline| deadline.min(next))).await;
                pause = (pause * 2).min(self.polling().longest);
            }
        }
    }

    /// The state, at the end of the instance if that comes within `slice` and the server can wait for it.
    async fn status_within(&self, id: &InstanceId, slice: Duration) -> Result<Option<InstanceStatus>, ClientError> {
        if slice.is_zero() {
            return self.get_status(id).await;
        }
        let seconds = format!("{:.3}", slice.as_secs_f64());
        let url = self.transport().address().at(&["instances", id.as_str()], &[("timeout", &seconds)])?;
        let call = Call { patience: slice, ..Call::new(Method::GET, url) };
        super::status::read(&self.transport().send(call).await?)
    }
}
