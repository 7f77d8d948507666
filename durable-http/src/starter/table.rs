//! A set of starters that is checked: which one a request is for, and its answer.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::Poll;

use durable_core::client::Client;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Response, StatusCode};

use super::context::RequestContext;
use super::error::HttpError;
use super::request::HttpRequest;
use super::route;
use super::set::Ready;
use crate::body::{Body, empty};
use crate::error_json::Refusal;
use crate::query::Query;

/// Starters whose routes can be told apart. Cloning is cheap.
#[derive(Clone)]
pub(crate) struct Table {
    starters: Arc<[Arc<Ready>]>,
}

/// What there is for a request.
#[derive(Debug)]
pub(crate) enum Match {
    Found(Found),
    /// There are starters for the path, with these verbs.
    WrongMethod(Vec<Method>),
    None,
}

/// A starter with what the path says of its parameters.
pub(crate) struct Found {
    index: usize,
    values: Vec<(String, String)>,
}

impl Table {
    pub(super) fn new(starters: Vec<Arc<Ready>>) -> Self {
        Self { starters: starters.into() }
    }

    pub(super) fn all(&self) -> Vec<Arc<Ready>> {
        self.starters.to_vec()
    }

    /// True when callers of this starter need no key.
    pub(crate) fn is_anonymous(&self, found: &Found) -> bool {
        self.starters.get(found.index).is_some_and(|starter| starter.anonymous)
    }

    /// What each starter answers to, for people: `POST /api/hello/{id?}`.
    pub(crate) fn requests<'a>(&'a self, prefix: &'a [String]) -> impl Iterator<Item = String> + 'a {
        self.starters.iter().map(|starter| {
            let methods: Vec<_> = starter.methods.iter().map(Method::as_str).collect();
            let path: Vec<_> = prefix.iter().chain([&starter.written]).map(String::as_str).collect();
            format!("{} /{}", methods.join(","), path.join("/"))
        })
    }

    /// The starter for a request to this path, which is not decoded yet, behind a prefix of segments.
    pub(crate) fn find(&self, method: &Method, path: &str, prefix: &[String]) -> Match {
        let segments = route::segments(path);
        let Some((start, segments)) = segments.split_at_checked(prefix.len()) else { return Match::None };
        if !start.iter().zip(prefix).all(|(segment, wanted)| segment.eq_ignore_ascii_case(wanted)) {
            return Match::None;
        }
        let candidates = self.starters.iter().enumerate();
        let mut taking: Vec<_> =
            candidates.filter_map(|(index, starter)| Some((index, starter, starter.route.values(segments)?))).collect();
        if taking.is_empty() {
            return Match::None;
        }
        let mut allowed: Vec<Method> = taking.iter().flat_map(|(_, starter, _)| starter.methods.clone()).collect();
        taking.retain(|(_, starter, _)| starter.methods.contains(method));
        match taking.into_iter().max_by_key(|(_, starter, _)| starter.route.precedence()) {
            Some((index, _, values)) => Match::Found(Found { index, values }),
            None => {
                allowed.sort_by(|a, b| a.as_str().cmp(b.as_str()));
                allowed.dedup();
                Match::WrongMethod(allowed)
            }
        }
    }

    /// The answer of a starter that was found. A panic in it becomes a response.
    pub(crate) async fn answer(&self, found: Found, client: Client, head: Parts, body: Vec<u8>) -> Response<Body> {
        let Some(starter) = self.starters.get(found.index) else { return Refusal::NotFound.into_response() };
        let context = RequestContext {
            client,
            query: Query::parse(head.uri.query()),
            request: HttpRequest::new(head, body.into()),
            route: Arc::clone(&starter.route),
            path: found.values,
            state: starter.state.clone(),
        };
        let handler = Arc::clone(&starter.handler);
        let answer = unless_it_panics(async move { handler(context).await }).await;
        let answer = answer.unwrap_or_else(|Panicked(message)| {
            tracing::error!(starter = starter.name, message, "an HTTP starter panicked");
            let text = "The function panicked.".to_owned();
            Err(HttpError::refused(Refusal::InvalidOperation(text)))
        });
        answer.unwrap_or_else(|error| {
            error.log(&starter.name);
            error.into_response()
        })
    }
}

/// The 405 that says which verbs there are.
pub(crate) fn wrong_method(allowed: &[Method]) -> Response<Body> {
    let mut response = empty(StatusCode::METHOD_NOT_ALLOWED);
    let list: Vec<_> = allowed.iter().map(Method::as_str).collect();
    if let Ok(list) = HeaderValue::from_str(&list.join(", ")) {
        response.headers_mut().insert(ALLOW, list);
    }
    response
}

/// What a future panicked with.
struct Panicked(String);

async fn unless_it_panics<T>(future: impl Future<Output = T>) -> Result<T, Panicked> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Ok),
        Err(panic) => {
            let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
            let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
            Poll::Ready(Err(Panicked(text.unwrap_or_default())))
        }
    })
    .await
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("values", &self.values).finish_non_exhaustive()
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.starters.iter().map(|starter| &starter.name).collect();
        f.debug_struct("Table").field("starters", &names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::starter::route::Route;

    #[test]
    fn it_can_tell_what_its_starters_answer_to() {
        let written = "hello/{id?}".to_owned();
        let starter = Ready {
            name: "hello".to_owned(),
            methods: vec![Method::GET, Method::POST],
            route: Arc::new(Route::parse(&written).unwrap()),
            handler: Arc::new(|_| Box::pin(async { Ok(empty(StatusCode::OK)) })),
            written,
            state: durable_core::activity::StateMap::default(),
            anonymous: false,
        };
        let table = Table::new(vec![Arc::new(starter)]);
        for (prefix, request) in
            [(vec![], "GET,POST /hello/{id?}"), (vec!["a".into(), "v1".into()], "GET,POST /a/v1/hello/{id?}")]
        {
            assert_eq!(table.requests(&prefix).collect::<Vec<_>>(), [request]);
        }
    }
}
