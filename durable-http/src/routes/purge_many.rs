//! `DELETE /instances`: removes finished instances by creation time and state.

use durable_core::client::InstanceQuery;
use durable_core::model::RuntimeStatus;
use http::StatusCode;

use super::{Answer, Exchange, purge};
use crate::error_json::Refusal;
use crate::query::Query;

pub(super) async fn purge_many(exchange: &Exchange<'_>) -> Answer {
    let Some(mut request) = request_of(&exchange.query)? else { return purge::answer(0) };
    let mut deleted = 0;
    loop {
        let page = exchange.client.purge_page(request.clone()).await?;
        deleted += page.deleted;
        match page.continuation {
            Some(next) => request = request.continue_from(next),
            None => return purge::answer(deleted),
        }
    }
}

/// The answer of a hub without instances.
pub(super) fn from_an_empty_hub(query: &Query) -> Answer {
    request_of(query)?;
    purge::answer(0)
}

/// What is to be removed; `None` when nothing can fit. Without an upper bound of the time there is none: whatever is
/// finished has been created before now.
fn request_of(query: &Query) -> Result<Option<InstanceQuery>, Refusal> {
    let Some(from) = query.time("createdTimeFrom") else {
        let text = "Please provide value for 'createdTimeFrom' parameter.".to_owned();
        return Err(Refusal::Text { status: StatusCode::BAD_REQUEST, text });
    };
    let statuses = statuses_of(query);
    if statuses.is_empty() {
        return Ok(None);
    }
    let mut request = InstanceQuery::new().created_from(from).statuses(statuses);
    request.created_to = query.time("createdTimeTo");
    Ok(Some(request))
}

/// The final states that are asked for: all of them when none is named. A list in which nothing can be read must not
/// become no list at all, which would remove everything.
fn statuses_of(query: &Query) -> Vec<RuntimeStatus> {
    let named = match query.text("runtimeStatus") {
        Some(_) => query.statuses("runtimeStatus"),
        None => RuntimeStatus::ALL.to_vec(),
    };
    named.into_iter().filter(|status| status.is_terminal()).collect()
}
