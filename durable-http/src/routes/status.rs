//! `GET /instances/{instanceId}`: the state of one instance.

use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, StatusCode};

use super::{Answer, Exchange, existing_id};
use crate::body::json;
use crate::client_ext::finished_status;
use crate::error_json::Refusal;
use crate::links::Links;
use crate::status_json::{Show, StatusJson};

pub(super) async fn status(exchange: &Exchange<'_>, id: &str) -> Answer {
    let show = Show::from_query(&exchange.query);
    let status = exchange.client.status(&existing_id(id)?).await?.ok_or(Refusal::NotFound)?;
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

/// The absolute address of this very request, with its query.
fn this_request(exchange: &Exchange<'_>) -> Option<HeaderValue> {
    let target = exchange.head.uri.path_and_query()?;
    HeaderValue::from_bytes(format!("{}{target}", Links::origin_of(exchange.head)).as_bytes()).ok()
}
