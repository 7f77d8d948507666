//! A handle to one instance.

use std::fmt;
use std::marker::PhantomData;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Client, ClientError, ClientErrorKind, Control, InstanceStatus, Purge};
use crate::failure::OrchestratorError;
use crate::model::{FailureDetails, InstanceId, RuntimeStatus};

/// One instance whose output is an `O`. Cloning is cheap; dropping it has no effect on the instance.
pub struct InstanceHandle<O> {
    client: Client,
    id: InstanceId,
    output: PhantomData<fn() -> O>,
}

impl<O> InstanceHandle<O> {
    pub(super) fn new(client: Client, id: InstanceId) -> Self {
        Self { client, id, output: PhantomData }
    }

    /// The id of the instance.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// The present state.
    ///
    /// # Errors
    ///
    /// There is no such instance, or the store failed.
    pub async fn status(&self) -> Result<InstanceStatus, ClientError> {
        self.client.status(&self.id).await?.ok_or_else(|| self.not_found())
    }

    /// Waits until the instance is finished and gives its final state.
    ///
    /// # Errors
    ///
    /// There is no such instance, or the store failed.
    pub async fn wait(&self) -> Result<InstanceStatus, ClientError> {
        self.client.wait(&self.id, None).await?.ok_or_else(|| self.not_found())
    }

    /// Waits until the instance is finished, at most for `timeout`; its state may then still be a live one.
    ///
    /// # Errors
    ///
    /// There is no such instance, or the store failed.
    pub async fn wait_timeout(&self, timeout: Duration) -> Result<InstanceStatus, ClientError> {
        self.client.wait(&self.id, Some(timeout)).await?.ok_or_else(|| self.not_found())
    }

    /// Sends an external event.
    ///
    /// # Errors
    ///
    /// As [`Client::raise_event`].
    pub async fn raise_event<T: Serialize + ?Sized>(&self, name: &str, payload: &T) -> Result<(), ClientError> {
        self.client.raise_event(&self.id, name, payload).await
    }

    /// Waits until the first turn of the instance is committed.
    ///
    /// # Errors
    ///
    /// There is no such instance, or the store failed.
    pub async fn wait_for_start(&self) -> Result<InstanceStatus, ClientError> {
        self.client.wait_for_start(&self.id, None).await?.ok_or_else(|| self.not_found())
    }

    /// Terminates the instance. See [`Client::terminate`].
    pub fn terminate(&self, reason: impl Into<String>) -> Control<'_> {
        self.client.terminate(&self.id, reason)
    }

    /// Pauses the instance. See [`Client::suspend`].
    pub fn suspend(&self, reason: impl Into<String>) -> Control<'_> {
        self.client.suspend(&self.id, reason)
    }

    /// Lets the instance go on. See [`Client::resume`].
    pub fn resume(&self, reason: impl Into<String>) -> Control<'_> {
        self.client.resume(&self.id, reason)
    }

    /// Takes back the failure of the instance. See [`Client::rewind`].
    ///
    /// # Errors
    ///
    /// As [`Client::rewind`].
    pub async fn rewind(&self, reason: impl Into<String>) -> Result<(), ClientError> {
        self.client.rewind(&self.id, reason).await
    }

    /// Removes the finished instance with its history. See [`Client::purge`].
    pub fn purge(&self) -> Purge<'_> {
        self.client.purge(&self.id)
    }

    fn not_found(&self) -> ClientError {
        ClientError::new(ClientErrorKind::NotFound { id: self.id.clone() })
    }
}

impl<O: DeserializeOwned> InstanceHandle<O> {
    /// Waits until the instance is finished and gives its output.
    ///
    /// # Errors
    ///
    /// The orchestrator's own error, with its causes; or an error that says that the instance was terminated, that its
    /// output is no `O`, or why the client call failed.
    pub async fn output(&self) -> Result<O, OrchestratorError> {
        let status = self.wait().await?;
        match status.runtime_status {
            RuntimeStatus::Completed => match status.output {
                Some(output) => Ok(output.decode()?),
                None => Ok(crate::model::Payload::null().decode()?),
            },
            RuntimeStatus::Failed => Err(status
                .failure
                .unwrap_or_else(|| FailureDetails::new("Error", "the instance failed without saying why"))
                .into()),
            other => {
                let reason = status.termination_reason.map(|reason| format!(": {reason}")).unwrap_or_default();
                Err(FailureDetails::new(other.as_str(), format!("instance '{}' is {other}{reason}", self.id)).into())
            }
        }
    }
}

impl<O> Clone for InstanceHandle<O> {
    fn clone(&self) -> Self {
        Self::new(self.client.clone(), self.id.clone())
    }
}

impl<O> fmt::Debug for InstanceHandle<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InstanceHandle").field("id", &self.id).finish_non_exhaustive()
    }
}
