//! `POST /instances/{instanceId}/terminate`: ends an instance.

use durable_core::client::ControlRequest;
use http::StatusCode;

use super::{Answer, Exchange, existing_id};
use crate::body::empty;

pub(super) async fn terminate(exchange: &Exchange<'_>, id: &str) -> Answer {
    exchange.client.terminate(&existing_id(id)?, ControlRequest::new(exchange.query.text("reason"))).await?;
    Ok(empty(StatusCode::ACCEPTED))
}
