//! The routes, one file each.

mod control;
mod events;
mod list;
mod start;
mod status;

use durable_core::client::DurableClient;
use durable_core::model::InstanceId;
use http::request::Parts;
use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::body::{Body, empty};
use crate::error_json::Refusal;
use crate::query::Query;
use crate::router::Route;

/// The answer of a route.
type Answer = Result<Response<Body>, Refusal>;

/// What every route is given.
pub(crate) struct Exchange<'a> {
    pub(crate) client: &'a dyn DurableClient,
    pub(crate) head: &'a Parts,
    pub(crate) query: Query,
    /// The request body; empty for routes that ignore it.
    pub(crate) body: Vec<u8>,
    /// Cancelled when the server stops, so that nobody waits any longer.
    pub(crate) closing: &'a CancellationToken,
}

impl Exchange<'_> {
    /// True when the request is about our task hub: it names none, or ours.
    fn is_about_our_hub(&self) -> bool {
        let hub = self.query.filled("taskHub");
        hub.is_none_or(|hub| hub.eq_ignore_ascii_case(self.client.task_hub().as_str()))
    }
}

/// Takes a route.
pub(crate) async fn answer(exchange: &Exchange<'_>, route: Route<'_>) -> Answer {
    match route {
        Route::MakePrimary => return Ok(empty(StatusCode::OK)),
        Route::NotYet { feature } => return Err(Refusal::NotSupported { feature }),
        _ => {}
    }
    if !exchange.is_about_our_hub() {
        return answer_for_an_empty_hub(route);
    }
    match route {
        Route::Start { name, id } => start::start(exchange, name, id).await,
        Route::Status { id } => status::status(exchange, id).await,
        Route::List => list::list(exchange).await,
        Route::RaiseEvent { id, name } => events::raise(exchange, id, name).await,
        Route::Terminate { id } => control::terminate(exchange, id).await,
        Route::MakePrimary | Route::NotYet { .. } => Err(Refusal::NotFound),
    }
}

/// A hub that we do not know has no orchestrators and no instances.
fn answer_for_an_empty_hub(route: Route<'_>) -> Answer {
    match route {
        Route::Start { name, .. } => Err(start::unknown(name)),
        Route::List => list::empty_page(),
        _ => Err(Refusal::NotFound),
    }
}

/// The id of an instance that is asked for. What cannot be an id names no instance.
fn existing_id(id: &str) -> Result<InstanceId, Refusal> {
    InstanceId::new(id).map_err(|_| Refusal::NotFound)
}

/// The text of a request body, without the byte order mark that some editors put in front.
fn body_text(body: &[u8]) -> Result<&str, Refusal> {
    let text = std::str::from_utf8(body).map_err(|error| Refusal::InvalidJson(error.into()))?;
    Ok(text.strip_prefix('\u{feff}').unwrap_or(text).trim())
}
