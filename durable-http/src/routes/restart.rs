//! `POST /instances/{instanceId}/restart`: starts an instance once more, with its old input.

use durable_core::client::{ClientError, ClientErrorKind, RestartRequest};
use durable_core::model::InstanceId;

use super::{Answer, Exchange, started};
use crate::error_json::Refusal;

pub(super) async fn restart(exchange: &Exchange<'_>, id: &str) -> Answer {
    // All that can be wrong is found before anything is started.
    let wait = started::wait_of(exchange)?;
    let instance = InstanceId::new(id).map_err(|_| unknown(id))?;
    let request = RestartRequest::new(exchange.query.flag("restartWithNewInstanceId").unwrap_or(true));
    let restarted = exchange.client.restart(&instance, request).await;
    let new = restarted.map_err(|error| refusal(id, error))?;
    started::answer(exchange, &new, wait).await
}

/// The refusal of an id that no instance has. Here, and only here, it is a 400.
pub(super) fn unknown(id: &str) -> Refusal {
    Refusal::NothingToRestart { id: id.to_owned() }
}

fn refusal(id: &str, error: ClientError) -> Refusal {
    match error.kind() {
        ClientErrorKind::NotFound { .. } => unknown(id),
        ClientErrorKind::WrongState { status, .. } | ClientErrorKind::AlreadyExists { status, .. } => {
            Refusal::StillLive { status: *status }
        }
        _ => error.into(),
    }
}
