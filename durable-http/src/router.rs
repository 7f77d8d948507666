//! Which route a request takes.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// The webhook path, which links point to.
pub(crate) const WEBHOOK_PATH: &str = "/runtime/webhooks/durabletask";
/// The path that the SDKs of other languages use beside a worker.
const RPC_PATH: &str = "/durabletask";

/// Under which base path a route was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Surface {
    Webhook,
    Rpc,
}

/// A route, and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Found<'p> {
    pub(crate) surface: Surface,
    pub(crate) route: Route<'p>,
}

/// A route with its parameters. Ids and names are decoded, and not checked yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route<'p> {
    /// `POST /orchestrators/{name}/{id?}`
    Start { name: &'p str, id: Option<&'p str> },
    /// `GET /instances/{id}`
    Status { id: &'p str },
    /// `GET /instances/{id}/history`
    History { id: &'p str },
    /// `GET /instances`
    List,
    /// `POST /instances/{id}/raiseEvent/{name}`
    RaiseEvent { id: &'p str, name: &'p str },
    /// `POST /instances/{id}/terminate`
    Terminate { id: &'p str },
    /// `POST /instances/{id}/suspend`
    Suspend { id: &'p str },
    /// `POST /instances/{id}/resume`
    Resume { id: &'p str },
    /// `POST /instances/{id}/rewind`
    Rewind { id: &'p str },
    /// `POST /instances/{id}/restart`
    Restart { id: &'p str },
    /// `DELETE /instances/{id}`
    Purge { id: &'p str },
    /// `DELETE /instances`
    PurgeMany,
    /// Any verb on `/makeprimary`.
    MakePrimary,
    /// `GET /entities` and `GET /entities/{name}`
    ListEntities,
    /// `GET /entities/{name}/{key}`
    ReadEntity,
    /// `POST /entities/{name?}/{key?}`
    SignalEntity { name: Option<&'p str>, key: &'p str },
    /// `DELETE /entities/{name?}/{key?}`
    DeleteEntity { name: Option<&'p str>, key: &'p str },
    /// `GET /openapi.json`
    OpenApi,
}

impl Route<'_> {
    /// True when the request body matters.
    pub(crate) fn takes_body(self) -> bool {
        matches!(self, Self::Start { .. } | Self::RaiseEvent { .. } | Self::SignalEntity { .. })
    }

    /// True unless the route only looks at something.
    pub(crate) fn changes_something(self) -> bool {
        !matches!(
            self,
            Self::Status { .. }
                | Self::History { .. }
                | Self::List
                | Self::ListEntities
                | Self::ReadEntity
                | Self::MakePrimary
                | Self::OpenApi
        )
    }
}

impl<'p> Route<'p> {
    /// What a link may permit: an operation on an instance.
    pub(crate) fn operation(self) -> Option<(&'static str, &'p str)> {
        match self {
            Self::Status { id } | Self::History { id } => Some(("status", id)),
            Self::RaiseEvent { id, .. } => Some(("raiseEvent", id)),
            Self::Terminate { id } => Some(("terminate", id)),
            Self::Suspend { id } => Some(("suspend", id)),
            Self::Resume { id } => Some(("resume", id)),
            Self::Rewind { id } => Some(("rewind", id)),
            Self::Restart { id } => Some(("restart", id)),
            Self::Purge { id } => Some(("purge", id)),
            _ => None,
        }
    }
}

/// The path with its escapes decoded. An encoded slash thereby splits a segment, as in Durable Functions; escapes that
/// are not UTF-8 leave the path as it is.
pub(crate) fn decode(path: &str) -> Cow<'_, str> {
    percent_decode_str(path).decode_utf8().unwrap_or(Cow::Borrowed(path))
}

/// The route of a decoded path; `None` is the answer 404.
pub(crate) fn find<'p>(method: &Method, path: &'p str) -> Option<Found<'p>> {
    let (surface, rest) = strip_base(path)?;
    Some(Found { surface, route: route(method, rest.trim_matches('/'))? })
}

fn route<'p>(method: &Method, rest: &'p str) -> Option<Route<'p>> {
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return None;
    }
    let (collection, segments) = segments.split_first()?;
    let is = |literal: &str| collection.eq_ignore_ascii_case(literal);
    if is("orchestrators") {
        orchestrators(method, segments)
    } else if is("entities") {
        entities(method, segments)
    } else if is("instances") {
        instances(method, segments)
    } else if is("makeprimary") && segments.is_empty() {
        Some(Route::MakePrimary)
    } else if is("openapi.json") && segments.is_empty() && method == Method::GET {
        Some(Route::OpenApi)
    } else {
        None
    }
}

fn strip_base(path: &str) -> Option<(Surface, &str)> {
    [(WEBHOOK_PATH, Surface::Webhook), (RPC_PATH, Surface::Rpc)].into_iter().find_map(|(base, surface)| {
        let (start, rest) = path.split_at_checked(base.len())?;
        let is_below = start.eq_ignore_ascii_case(base) && (rest.is_empty() || rest.starts_with('/'));
        is_below.then_some((surface, rest))
    })
}

fn orchestrators<'p>(method: &Method, segments: &[&'p str]) -> Option<Route<'p>> {
    match (method, segments) {
        (&Method::POST, [name]) => Some(Route::Start { name, id: None }),
        (&Method::POST, [name, id]) => Some(Route::Start { name, id: Some(id) }),
        _ => None,
    }
}

fn instances<'p>(method: &Method, segments: &[&'p str]) -> Option<Route<'p>> {
    match (method, segments) {
        (&Method::GET, []) => Some(Route::List),
        (&Method::DELETE, []) => Some(Route::PurgeMany),
        (&Method::GET, [id]) => Some(Route::Status { id }),
        (&Method::DELETE, [id]) => Some(Route::Purge { id }),
        (&Method::GET, [id, part]) if part.eq_ignore_ascii_case("history") => Some(Route::History { id }),
        (&Method::POST, [id, operation]) => control(id, operation),
        (&Method::POST, [id, operation, name]) if operation.eq_ignore_ascii_case("raiseEvent") => {
            Some(Route::RaiseEvent { id, name })
        }
        _ => None,
    }
}

fn control<'p>(id: &'p str, operation: &str) -> Option<Route<'p>> {
    [
        ("terminate", Route::Terminate { id }),
        ("suspend", Route::Suspend { id }),
        ("resume", Route::Resume { id }),
        ("rewind", Route::Rewind { id }),
        ("restart", Route::Restart { id }),
    ]
    .into_iter()
    .find_map(|(name, route)| operation.eq_ignore_ascii_case(name).then_some(route))
}

fn entities<'p>(method: &Method, segments: &[&'p str]) -> Option<Route<'p>> {
    let (name, key) = match segments {
        [] => (None, ""),
        [name] => (Some(*name), ""),
        [name, key] => (Some(*name), *key),
        _ => return None,
    };
    match (method, segments.len()) {
        (&Method::GET, 0 | 1) => Some(Route::ListEntities),
        (&Method::GET, _) => Some(Route::ReadEntity),
        (&Method::POST, _) => Some(Route::SignalEntity { name, key }),
        (&Method::DELETE, _) => Some(Route::DeleteEntity { name, key }),
        _ => None,
    }
}
