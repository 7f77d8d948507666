//! The status object of the API, and what it says about an instance.

use durable_core::client::{ClientError, ClientErrorKind, InstanceStatus};
use durable_core::history::HistoryEvent;
use durable_core::model::{ExecutionId, FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, Timestamp};
use http::StatusCode;
use serde::Deserialize;

use super::answer::{Answer, unreadable};
use super::client::RemoteClient;

/// The status object. What is not here is not on the wire.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusObject {
    name: String,
    pub(super) instance_id: String,
    runtime_status: String,
    #[serde(default)]
    input: Option<Payload>,
    #[serde(default)]
    custom_status: Option<Payload>,
    #[serde(default)]
    output: Option<Payload>,
    created_time: Timestamp,
    last_updated_time: Timestamp,
}

impl StatusObject {
    pub(super) fn read(self) -> Result<InstanceStatus, ClientError> {
        let id = InstanceId::new(&self.instance_id).map_err(unreadable)?;
        let name = FunctionName::new(&self.name).map_err(unreadable)?;
        let runtime_status: RuntimeStatus = self.runtime_status.parse().map_err(unreadable)?;
        let mut status = InstanceStatus::pending(id, name, self.input.unwrap_or_else(Payload::null), self.created_time);
        status.execution_id = ExecutionId::from_stored("");
        status.runtime_status = runtime_status;
        status.custom_status = self.custom_status;
        status.last_updated_at = self.last_updated_time;
        match runtime_status {
            RuntimeStatus::Completed => status.output = Some(self.output.unwrap_or_else(Payload::null)),
            RuntimeStatus::Failed => status.failure = Some(failure(&self.name, self.output.as_ref())),
            RuntimeStatus::Terminated => status.termination_reason = self.output.as_ref().map(text_of),
            _ => status.output = self.output,
        }
        Ok(status)
    }
}

/// The failure of an instance: on the wire it is a text, its causes included.
fn failure(name: &str, output: Option<&Payload>) -> FailureDetails {
    let text = output.map_or_else(|| "the reason is not known".to_owned(), text_of);
    // What every failure begins with; a hub in this process leaves it out.
    let message = text.strip_prefix(&*format!("Orchestrator function '{name}' failed: ")).unwrap_or(&text);
    FailureDetails::new("Error", message)
}

/// A string without its quotes, anything else as JSON.
fn text_of(payload: &Payload) -> String {
    payload.decode::<String>().unwrap_or_else(|_| payload.as_str().to_owned())
}

/// The state in an answer; `None` when there is no such instance.
pub(super) fn read(answer: &Answer) -> Result<Option<InstanceStatus>, ClientError> {
    match answer.status {
        StatusCode::NOT_FOUND => Ok(None),
        status if status.is_success() => answer.json::<StatusObject>()?.read().map(Some),
        _ => Err(answer.refusal("show an instance")),
    }
}

impl RemoteClient {
    pub(super) async fn get_status(&self, id: &InstanceId) -> Result<Option<InstanceStatus>, ClientError> {
        read(&self.transport().get(&["instances", id.as_str()], &[]).await?)
    }

    /// Where an instance stands about which the server has said that it stands in the way.
    pub(super) async fn standing(&self, id: &InstanceId) -> Result<RuntimeStatus, ClientError> {
        match self.get_status(id).await? {
            Some(status) => Ok(status.runtime_status),
            None => Err(not_found(id)),
        }
    }

    pub(super) async fn get_history(&self, id: &InstanceId) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        let operation = "read a history";
        let answer = self.transport().get(&["instances", id.as_str(), "history"], &[]).await?;
        match answer.status {
            StatusCode::OK => answer.json().map(Some),
            // No such instance, or a server without this route.
            StatusCode::NOT_FOUND => match self.get_status(id).await? {
                Some(_) => Err(ClientError::new(ClientErrorKind::Unsupported { operation })),
                None => Ok(None),
            },
            _ => Err(answer.refusal(operation)),
        }
    }
}

pub(super) fn not_found(id: &InstanceId) -> ClientError {
    ClientError::new(ClientErrorKind::NotFound { id: id.clone() })
}
