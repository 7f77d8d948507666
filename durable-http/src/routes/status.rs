//! `GET /instances/{instanceId}`: the state of one instance, at once or when it is finished.

use durable_core::client::{ClientError, InstanceStatus, WaitUntil};
use durable_core::model::InstanceId;
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::{Answer, Exchange, existing_id};
use crate::body::json;
use crate::client_ext::{LONGEST_WAIT, finished_status};
use crate::error_json::Refusal;
use crate::status_json::{Show, StatusJson};

pub(super) async fn status(exchange: &Exchange<'_>, id: &str) -> Answer {
    let show = Show::from_query(&exchange.query);
    let status = state_of(exchange, &existing_id(id)?).await?.ok_or(Refusal::NotFound)?;
    if status.runtime_status.is_terminal() {
        return finished_status(exchange.client, &status, show).await;
    }
    let history = show.history_of(exchange.client, &status).await?;
    let mut response = json(StatusCode::ACCEPTED, &StatusJson::new(&status, history.as_deref(), show))?;
    if let Some(here) = this_request(exchange) {
        response.headers_mut().insert(LOCATION, here);
    }
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("5"));
    Ok(response)
}

/// The state to show: with `timeout` that of the end, where it comes in time. Durable Functions does not know the parameter
/// here and answers at once, which a caller must be prepared for: a server that stops does so too.
async fn state_of(exchange: &Exchange<'_>, id: &InstanceId) -> Result<Option<InstanceStatus>, ClientError> {
    if let Some(timeout) = exchange.query.seconds("timeout") {
        let wait = exchange.client.wait(id, WaitUntil::Finished, Some(timeout.clamp_to(LONGEST_WAIT)));
        match exchange.closing().run_until_cancelled(wait).await {
            Some(Err(error)) if error.is_shut_down() => {}
            Some(waited) => return waited,
            None => {}
        }
    }
    exchange.client.status(id).await
}

/// The absolute address of this very request, with its query.
fn this_request(exchange: &Exchange<'_>) -> Option<HeaderValue> {
    let target = exchange.head.uri.path_and_query()?;
    HeaderValue::from_bytes(format!("{}{target}", exchange.links.origin(exchange.head)).as_bytes()).ok()
}
