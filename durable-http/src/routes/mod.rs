//! The routes, one file each.

mod entities;
mod events;
mod history;
mod list;
mod pause;
mod purge;
mod purge_many;
mod restart;
mod rewind;
mod start;
mod started;
mod status;
mod terminate;

use durable_core::client::DurableClient;
use durable_core::model::InstanceId;
use http::request::Parts;
use http::{Response, StatusCode};
use tokio_util::sync::CancellationToken;

use crate::body::{Body, empty};
use crate::error_json::Refusal;
use crate::links::Links;
use crate::openapi;
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
    pub(crate) links: &'a Links,
}

impl Exchange<'_> {
    /// Cancelled when the server stops, so that nobody waits any longer.
    fn closing(&self) -> &CancellationToken {
        self.links.closing()
    }

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
        Route::OpenApi => return Ok(openapi::document()),
        // No hub has entities, so it does not matter which one is asked for.
        Route::ListEntities => return list::empty_page(),
        Route::ReadEntity => return Err(Refusal::NotFound),
        Route::SignalEntity { name, key } => return entities::signal(exchange, name, key),
        Route::DeleteEntity { name, key } => return entities::refuse(name, key),
        _ => {}
    }
    if !exchange.is_about_our_hub() {
        return answer_for_an_empty_hub(exchange, route);
    }
    match route {
        Route::Start { name, id } => start::start(exchange, name, id).await,
        Route::Status { id } => status::status(exchange, id).await,
        Route::History { id } => history::history(exchange, id).await,
        Route::List => list::list(exchange).await,
        Route::RaiseEvent { id, name } => events::raise(exchange, id, name).await,
        Route::Terminate { id } => terminate::terminate(exchange, id).await,
        Route::Suspend { id } => pause::suspend(exchange, id).await,
        Route::Resume { id } => pause::resume(exchange, id).await,
        Route::Rewind { id } => rewind::rewind(exchange, id).await,
        Route::Restart { id } => restart::restart(exchange, id).await,
        Route::Purge { id } => purge::purge(exchange, id).await,
        Route::PurgeMany => purge_many::purge_many(exchange).await,
        Route::MakePrimary
        | Route::OpenApi
        | Route::ListEntities
        | Route::ReadEntity
        | Route::SignalEntity { .. }
        | Route::DeleteEntity { .. } => Err(Refusal::NotFound),
    }
}

/// A hub that we do not know has no orchestrators and no instances.
fn answer_for_an_empty_hub(exchange: &Exchange<'_>, route: Route<'_>) -> Answer {
    match route {
        Route::Start { name, .. } => Err(start::unknown(name)),
        Route::List => list::empty_page(),
        Route::PurgeMany => purge_many::from_an_empty_hub(&exchange.query),
        Route::Rewind { id } => Err(rewind::unknown(id)),
        Route::Restart { id } => Err(restart::unknown(id)),
        _ => Err(Refusal::NotFound),
    }
}

/// The id of an instance that is asked for. What cannot be an id names no instance.
fn existing_id(id: &str) -> Result<InstanceId, Refusal> {
    InstanceId::new(id).map_err(|_| Refusal::NotFound)
}
