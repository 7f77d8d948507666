//! Starting instances, and starting them again.

use durable_core::client::{ClientError, ClientErrorKind, RestartRequest, StartRequest};
use durable_core::model::{IdReusePolicy, InstanceId, RuntimeStatus, TraceContext};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use serde::Deserialize;

use super::answer::{Answer, unreadable};
use super::client::RemoteClient;
use super::status::not_found;
use super::transport::Call;
use crate::wire::{TRACEPARENT, TRACESTATE};

/// What of a check-status response matters here.
#[derive(Debug, Deserialize)]
struct CheckStatus {
    id: String,
}

impl RemoteClient {
    pub(super) async fn send_start(&self, request: StartRequest) -> Result<InstanceId, ClientError> {
        refuse_what_cannot_be_said(&request)?;
        let StartRequest { name, version, id, input, trace, .. } = request;
        // With an id of ours the instance can be found even when the answer to the start is lost.
        let id = id.unwrap_or_else(InstanceId::generate);
        let version = version.map(|version| version.to_string());
        let parameters: Vec<_> = version.iter().map(|version| ("version", version.as_str())).collect();
        let url = self.transport().address().at(&["orchestrators", name.as_str(), id.as_str()], &parameters)?;
        let call = Call {
            headers: trace.map(|trace| trace_headers(&trace)).unwrap_or_default(),
            json: Some(input.to_string()),
            ..Call::new(Method::POST, url)
        };
        let answer = self.transport().send(call).await.map_err(|error| lost_start(&id, error))?;
        match answer.status {
            StatusCode::CONFLICT => Err(self.already_exists(id).await),
            status if status.is_success() => started(&answer),
            _ => Err(answer.refusal("start an instance")),
        }
    }

    async fn already_exists(&self, id: InstanceId) -> ClientError {
        match self.get_status(&id).await {
            // It was live a moment ago.
            Ok(found) => {
                let status = found.map_or(RuntimeStatus::Running, |found| found.runtime_status);
                ClientError::new(ClientErrorKind::AlreadyExists { id, status })
            }
            Err(error) => error,
        }
    }

    pub(super) async fn send_restart(
        &self,
        id: &InstanceId,
        request: RestartRequest,
    ) -> Result<InstanceId, ClientError> {
        let parameters = [("restartWithNewInstanceId", if request.new_id { "true" } else { "false" })];
        let answer = self.transport().post(&["instances", id.as_str(), "restart"], &parameters).await?;
        match answer.status {
            StatusCode::NOT_FOUND => Err(not_found(id)),
            // Also what an orchestrator is answered with that is gone.
            StatusCode::BAD_REQUEST => match self.get_status(id).await? {
                Some(_) => Err(answer.refusal("restart an instance")),
                None => Err(not_found(id)),
            },
            StatusCode::CONFLICT => Err(ClientError::new(ClientErrorKind::WrongState {
                id: id.clone(),
                status: self.standing(id).await?,
                needed: "finished to start again under its own id",
            })),
            status if status.is_success() => started(&answer),
            _ => Err(answer.refusal("restart an instance")),
        }
    }
}

/// The id of the instance that a check-status response is about.
fn started(answer: &Answer) -> Result<InstanceId, ClientError> {
    let CheckStatus { id } = answer.json()?;
    InstanceId::new(id).map_err(unreadable)
}

fn lost_start(id: &InstanceId, error: ClientError) -> ClientError {
    match error.kind() {
        ClientErrorKind::Remote { message } => {
            let message = if was_not_sent(&error) {
                format!("{message}; the instance '{id}' was not started")
            } else {
                format!("{message}; whether the instance '{id}' was started is not known")
            };
            ClientError::new(ClientErrorKind::Remote { message }).with_source(error)
        }
        _ => error,
    }
}

/// True when there was no connection over which the request could have gone.
fn was_not_sent(error: &ClientError) -> bool {
    let cause = std::error::Error::source(error).and_then(|cause| cause.downcast_ref::<reqwest::Error>());
    cause.is_some_and(reqwest::Error::is_connect)
}

fn trace_headers(trace: &TraceContext) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let fields = [(TRACEPARENT, Some(trace.traceparent())), (TRACESTATE, trace.tracestate().map(str::to_owned))];
    for (name, value) in fields {
        // A trace context is visible ASCII.
        if let Some(value) = value.and_then(|value| HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    headers
}

/// The API starts instances at once, and with its own policy for an id that is taken.
fn refuse_what_cannot_be_said(request: &StartRequest) -> Result<(), ClientError> {
    let cannot = [
        (!request.tags.is_empty(), "start an instance with tags over HTTP"),
        (request.start_at.is_some(), "start an instance at a later time over HTTP"),
        (request.delay.is_some(), "start an instance with a delay over HTTP"),
        (
            request.id_reuse.is_some_and(|policy| policy != IdReusePolicy::default()),
            "start an instance with an id reuse policy over HTTP",
        ),
    ];
    match cannot.into_iter().find(|(asked, _)| *asked) {
        Some((_, operation)) => Err(ClientError::new(ClientErrorKind::Unsupported { operation })),
        None => Ok(()),
    }
}
