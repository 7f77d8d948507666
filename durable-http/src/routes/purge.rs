//! `DELETE /instances/{instanceId}`: removes an instance with its history.

use durable_core::client::PurgeRequest;
use http::StatusCode;
use serde::Serialize;

use super::{Answer, Exchange, existing_id};
use crate::body::json;
use crate::error_json::Refusal;

/// How many instances a purge removed.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Purged {
    instances_deleted: u64,
}

pub(super) async fn purge(exchange: &Exchange<'_>, id: &str) -> Answer {
    answer(exchange.client.purge(&existing_id(id)?, PurgeRequest::default()).await?)
}

/// The answer to a purge of one or many. To remove nothing is a 404.
pub(super) fn answer(instances_deleted: u64) -> Answer {
    if instances_deleted == 0 {
        return Err(Refusal::NotFound);
    }
    json(StatusCode::OK, &Purged { instances_deleted })
}
