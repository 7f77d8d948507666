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
    /// Asks until the instance has come so far or the time is over. A server that has waited is asked again at once; any other
    /// when the pause is over that began with the question.
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
            let slice = left.min(LONGEST_SLICE);
            let status = match until {
                WaitUntil::Finished => self.status_within(id, slice).await?,
                _ => self.get_status(id).await?,
            };
            let over = deadline.is_some_and(|deadline| deadline <= asked);
            if over || status.as_ref().is_none_or(|status| until.is_reached(status.runtime_status)) {
                return Ok(status);
            }
            if !has_waited(until, slice, asked.elapsed()) {
                let next = asked + pause;
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

/// True when the answer took so long because the server has waited, and not because the way to it is long.
fn has_waited(until: WaitUntil, slice: Duration, took: Duration) -> bool {
    matches!(until, WaitUntil::Finished) && took >= slice / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_server_has_not_waited() {
        let (latency, slice) = (Duration::from_millis(400), LONGEST_SLICE);
        assert!(latency > Polling::default().first, "else it is asked after a pause in any case");
        assert!(!has_waited(WaitUntil::Finished, slice, latency));
        assert!(has_waited(WaitUntil::Finished, slice, slice));
        assert!(!has_waited(WaitUntil::Started, slice, slice), "nobody waits for a start");
    }
}
