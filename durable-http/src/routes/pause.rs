//! `POST /instances/{instanceId}/suspend` and `/resume`: pauses an instance, and lets it go on.

use durable_core::client::ControlRequest;
use durable_core::model::{InstanceId, RuntimeStatus};
use http::StatusCode;

use super::{Answer, Exchange, existing_id};
use crate::body::empty;
use crate::error_json::Refusal;

pub(super) async fn suspend(exchange: &Exchange<'_>, id: &str) -> Answer {
    let id = checked(exchange, id, "suspend", |status| status != RuntimeStatus::Suspended).await?;
    exchange.client.suspend(&id, ControlRequest::new(exchange.query.text("reason"))).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

pub(super) async fn resume(exchange: &Exchange<'_>, id: &str) -> Answer {
    let id = checked(exchange, id, "resume", |status| status == RuntimeStatus::Suspended).await?;
    exchange.client.resume(&id, ControlRequest::new(exchange.query.text("reason"))).await?;
    Ok(empty(StatusCode::ACCEPTED))
}

/// The id of an instance that is live and in a state that fits. Our own clients may pause twice; callers of this API are
/// used to an error.
async fn checked(
    exchange: &Exchange<'_>,
    id: &str,
    operation: &str,
    fits: impl Fn(RuntimeStatus) -> bool,
) -> Result<InstanceId, Refusal> {
    let id = existing_id(id)?;
    let status = exchange.client.status(&id).await?.ok_or(Refusal::NotFound)?.runtime_status;
    if status.is_terminal() {
        return Err(Refusal::Gone);
    }
    if !fits(status) {
        return Err(Refusal::InvalidOperation(format!(
            "Cannot {operation} the orchestration instance {id} because instance is in the {status} state."
        )));
    }
    Ok(id)
}
