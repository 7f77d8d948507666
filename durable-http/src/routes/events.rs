//! `POST /instances/{instanceId}/raiseEvent/{eventName}`: sends an external event.

use durable_core::client::ClientError;
use durable_core::model::EventName;
use http::StatusCode;

use super::{Answer, Exchange, existing_id};
use crate::body::{empty, payload};
use crate::error_json::Refusal;
use crate::media_type;

pub(super) async fn raise(exchange: &Exchange<'_>, id: &str, name: &str) -> Answer {
    // The order of the checks is part of the contract: an ill-typed event to a finished instance is a 410.
    let id = existing_id(id)?;
    let status = exchange.client.status(&id).await?.ok_or(Refusal::NotFound)?;
    if status.runtime_status.is_terminal() {
        return Err(Refusal::Gone);
    }
    if !media_type::is_json(&exchange.head.headers) {
        return Err(Refusal::MediaType);
    }
    let payload = payload(&exchange.body)?;
    let name = EventName::new(name).map_err(ClientError::from)?;
    exchange.client.raise_event(&id, name, payload).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
