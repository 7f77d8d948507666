//! `GET /instances`: a page of instances.

use durable_core::client::{ClientError, InstanceQuery};
use http::{HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::{Answer, Exchange};
use crate::body::json;
use crate::error_json::Refusal;
use crate::status_json::{Show, StatusJson};
use crate::wire::{CONTINUATION, MAX_PAGE_SIZE};

/// A token may be any text; a header field may not.
const ESCAPED: &AsciiSet = &CONTROLS.add(b' ').add(b'%');

pub(super) async fn list(exchange: &Exchange<'_>) -> Answer {
    let query = &exchange.query;
    let mut request = InstanceQuery::default();
    request.statuses = query.statuses("runtimeStatus");
    request.id_prefix = query.filled("instanceIdPrefix");
    request.created_from = query.time("createdTimeFrom");
    request.created_to = query.time("createdTimeTo");
    request.page_size = query.count("top").unwrap_or(request.page_size).min(MAX_PAGE_SIZE);
    request.continuation = continuation_of(exchange)?;
    let page = exchange.client.list(request).await?;
    // A list never shows a history.
    let show = Show { history: false, ..Show::from_query(query) };
    let shown: Vec<_> = page.instances.iter().map(|status| StatusJson::new(status, None, show)).collect();
    respond(&shown, page.continuation.as_deref().unwrap_or_default())
}

/// The page of a hub without instances.
pub(super) fn empty_page() -> Answer {
    respond(&[], "")
}

fn respond(shown: &[StatusJson<'_>], continuation: &str) -> Answer {
    let mut response = json(StatusCode::OK, shown)?;
    let token = utf8_percent_encode(continuation, ESCAPED).to_string();
    let token = HeaderValue::try_from(token).unwrap_or(HeaderValue::from_static(""));
    response.headers_mut().insert(CONTINUATION, token);
    Ok(response)
}

fn continuation_of(exchange: &Exchange<'_>) -> Result<Option<String>, Refusal> {
    let token = exchange.head.headers.get(CONTINUATION).map(HeaderValue::as_bytes).unwrap_or_default().trim_ascii();
    if token.is_empty() {
        return Ok(None);
    }
    match percent_decode(token).decode_utf8() {
        Ok(token) => Ok(Some(token.into_owned())),
        Err(error) => {
            Err(ClientError::invalid_argument("the continuation token is not valid").with_source(error).into())
        }
    }
}
