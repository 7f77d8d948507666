//! The settings of a remote client.

use std::fmt;
use std::ops::Range;
use std::time::Duration;

use durable_core::model::TaskHubName;
use http::HeaderValue;

use super::address::Address;
use super::client::RemoteClient;
use super::error::RemoteClientError;
use super::transport::Transport;
use super::wait::Polling;

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

/// The settings of a [`RemoteClient`]; made by [`RemoteClient::builder`].
#[must_use = "there is no client before `build`"]
pub struct RemoteClientBuilder {
    address: Result<Address, RemoteClientError>,
    key: Option<String>,
    task_hub: Option<String>,
    timeout: Duration,
    polling: Polling,
}

impl RemoteClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            address: Address::parse(url),
            key: None,
            task_hub: None,
            timeout: DEFAULT_TIMEOUT,
            polling: Polling::default(),
        }
    }

    /// The key, sent in the header `x-functions-key`. Unlike a `code` in the address it is not part of
    /// [`webhook_url`](RemoteClient::webhook_url).
    pub fn key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    /// The task hub, instead of the one of the address. Without any, the server answers for its own.
    pub fn task_hub(mut self, name: impl Into<String>) -> Self {
        self.task_hub = Some(name.into());
        self
    }

    /// How long each request may take, 30 seconds unless set. A request that waits for an instance may take that much longer.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// How often to ask where a server cannot wait: the first pause and the longest one, 100 milliseconds and 5 seconds unless
    /// set. Each pause is twice as long as the one before.
    pub fn poll_interval(mut self, interval: Range<Duration>) -> Self {
        self.polling = Polling::new(interval);
        self
    }

    /// Makes the client. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// The address, the name of the task hub or the key is not valid, or TLS cannot be set up.
    pub fn build(self) -> Result<RemoteClient, RemoteClientError> {
        let mut address = self.address?;
        if let Some(name) = &self.task_hub {
            address.set_task_hub(name);
        }
        let hub = address.task_hub().map(TaskHubName::new).transpose().map_err(RemoteClientError::task_hub)?;
        let key = self.key.map(|key| header_of(&key)).transpose()?;
        let transport = Transport::new(address, key, self.timeout)?;
        Ok(RemoteClient::new(transport, hub.unwrap_or_default(), self.polling))
    }
}

fn header_of(key: &str) -> Result<HeaderValue, RemoteClientError> {
    if key.is_empty() {
        return Err(RemoteClientError::key());
    }
    let mut value = HeaderValue::from_str(key).map_err(|error| RemoteClientError::key().with_source(error))?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for RemoteClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteClientBuilder")
            .field("address", &self.address)
            .field("key", &self.key.as_ref().map(|_| "***"))
            .field("task_hub", &self.task_hub)
            .field("timeout", &self.timeout)
            .field("polling", &self.polling)
            .finish()
    }
}
