//! `GET /instances/{instanceId}/history`: the history of the current execution as it is stored, for clients that are ours.
//!
//! Durable Functions has no such route. What its own clients see of a history is part of the status object.

use http::StatusCode;

use super::{Answer, Exchange, existing_id};
use crate::body::json;
use crate::error_json::Refusal;

pub(super) async fn history(exchange: &Exchange<'_>, id: &str) -> Answer {
    let events = exchange.client.history(&existing_id(id)?).await?.ok_or(Refusal::NotFound)?;
    json(StatusCode::OK, &events)
}
