//! Events, terminations, pauses and rewinds.

use durable_core::client::{ClientError, ClientErrorKind, ControlRequest};
use durable_core::model::{EventName, InstanceId, Payload, RuntimeStatus};
use http::{Method, StatusCode};

use super::answer::Answer;
use super::client::RemoteClient;
use super::status::not_found;
use super::transport::Call;

/// An operation as it is called in an address, and in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    segment: &'static str,
    name: &'static str,
    recursive: &'static str,
}

pub(super) const TERMINATE: Operation = Operation {
    segment: "terminate",
    name: "terminate an instance",
    recursive: "terminate an instance with those below it over HTTP",
};
pub(super) const SUSPEND: Operation = Operation {
    segment: "suspend",
    name: "suspend an instance",
    recursive: "suspend an instance with those below it over HTTP",
};
pub(super) const RESUME: Operation = Operation {
    segment: "resume",
    name: "resume an instance",
    recursive: "resume an instance with those below it over HTTP",
};

impl RemoteClient {
    pub(super) async fn send_event(
        &self,
        id: &InstanceId,
        name: &EventName,
        payload: &Payload,
    ) -> Result<(), ClientError> {
        let path = ["instances", id.as_str(), "raiseEvent", name.as_str()];
        let url = self.transport().address().at(&path, &[])?;
        let call = Call { json: Some(payload.to_string()), ..Call::new(Method::POST, url) };
        let answer = self.transport().send(call).await?;
        self.accepted(id, &answer, "raise an event").await
    }

    pub(super) async fn send_control(
        &self,
        id: &InstanceId,
        operation: Operation,
        request: ControlRequest,
    ) -> Result<(), ClientError> {
        let answer = self.post_control(id, operation, request).await?;
        self.accepted(id, &answer, operation.name).await
    }

    /// A pause or its end. The API refuses one that changes nothing with a 500, which other failures have too, so the state
    /// tells them apart.
    pub(super) async fn send_pause(
        &self,
        id: &InstanceId,
        operation: Operation,
        request: ControlRequest,
        changes_nothing: impl Fn(RuntimeStatus) -> bool,
    ) -> Result<(), ClientError> {
        let answer = self.post_control(id, operation, request).await?;
        if answer.status != StatusCode::INTERNAL_SERVER_ERROR {
            return self.accepted(id, &answer, operation.name).await;
        }
        match self.get_status(id).await {
            Ok(None) => Err(not_found(id)),
            Ok(Some(found)) if found.runtime_status.is_terminal() => Err(finished(id, found.runtime_status)),
            Ok(Some(found)) if changes_nothing(found.runtime_status) => Ok(()),
            _ => Err(answer.refusal(operation.name)),
        }
    }

    async fn post_control(
        &self,
        id: &InstanceId,
        operation: Operation,
        request: ControlRequest,
    ) -> Result<Answer, ClientError> {
        if request.recursive {
            return Err(ClientError::new(ClientErrorKind::Unsupported { operation: operation.recursive }));
        }
        let parameters: Vec<_> = request.reason.iter().map(|reason| ("reason", reason.as_str())).collect();
        self.transport().post(&["instances", id.as_str(), operation.segment], &parameters).await
    }

    async fn accepted(&self, id: &InstanceId, answer: &Answer, operation: &'static str) -> Result<(), ClientError> {
        match answer.status {
            StatusCode::NOT_FOUND => Err(not_found(id)),
            StatusCode::GONE => Err(finished(id, self.standing(id).await?)),
            status if status.is_success() => Ok(()),
            _ => Err(answer.refusal(operation)),
        }
    }

    pub(super) async fn send_rewind(&self, id: &InstanceId, reason: Option<String>) -> Result<(), ClientError> {
        let parameters: Vec<_> = reason.iter().map(|reason| ("reason", reason.as_str())).collect();
        let answer = self.transport().post(&["instances", id.as_str(), "rewind"], &parameters).await?;
        // Older servers say 410 where newer ones say 412.
        if !matches!(answer.status, StatusCode::PRECONDITION_FAILED | StatusCode::GONE) {
            return self.accepted(id, &answer, "rewind an instance").await;
        }
        let (id, status) = (id.clone(), self.standing(id).await?);
        Err(ClientError::new(if status == RuntimeStatus::Failed {
            let reason = answer.explanation().unwrap_or_else(|| "the remote task hub does not say why".to_owned());
            ClientErrorKind::CannotRewind { id, reason }
        } else {
            ClientErrorKind::WrongState { id, status, needed: "Failed to be rewound" }
        }))
    }
}

fn finished(id: &InstanceId, status: RuntimeStatus) -> ClientError {
    ClientError::new(ClientErrorKind::Finished { id: id.clone(), status })
}
