//! A set of starters as a tower service.

use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::activity::StateMap;
use durable_core::client::Client;
use http::header::ALLOW;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use super::context::RequestContext;
use super::error::HttpError;
use super::request::HttpRequest;
use super::route;
use super::set::Ready;
use crate::body::{Body, BodyLimits, BoxError, empty, read};
use crate::error_json::Refusal;
use crate::query::Query;

const BODY_LIMITS: BodyLimits = BodyLimits { max_bytes: 16 * 1024 * 1024, idle: Duration::from_secs(30) };

/// HTTP starters as a [`tower_service::Service`], for any body type and any server. Made by
/// [`Starters::build`](crate::Starters::build).
///
/// Outside its routes it answers with an empty 404, and with a 405 where only the verb is another. Cloning is cheap. It never
/// fails: whatever goes wrong becomes a response, and so does a panic in a starter.
///
/// It needs a tokio runtime with a timer.
#[derive(Clone)]
pub struct StarterService {
    client: Client,
    state: StateMap,
    starters: Arc<[Ready]>,
    anonymous: bool,
    closing: CancellationToken,
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

impl StarterService {
    pub(super) fn new(client: Client, state: StateMap, starters: Vec<Ready>, anonymous: bool) -> Self {
        Self { client, state, starters: starters.into(), anonymous, closing: CancellationToken::new() }
    }

    /// Answers all requests that wait for the end of an instance which its orchestrator's `http` option started, at once and
    /// from now on, in this service and all its clones. Call it when your server begins to stop.
    pub fn stop_waiting(&self) {
        self.closing.cancel();
    }

    /// True when callers need no key.
    pub(crate) fn is_anonymous(&self) -> bool {
        self.anonymous
    }

    /// The starter for a request to this path, which is not decoded yet.
    pub(crate) fn find(&self, method: &Method, path: &str) -> Match {
        let segments = route::segments(path);
        let candidates = self.starters.iter().enumerate();
        let mut taking: Vec<_> = candidates
            .filter_map(|(index, starter)| Some((index, starter, starter.route.values(&segments)?)))
            .collect();
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

    /// The answer of a starter that was found.
    pub(crate) async fn answer(&self, found: Found, head: Parts, body: Vec<u8>) -> Response<Body> {
        let Some(starter) = self.starters.get(found.index) else { return Refusal::NotFound.into_response() };
        let context = RequestContext {
            client: self.client.clone(),
            query: Query::parse(head.uri.query()),
            request: HttpRequest::new(head, body.into()),
            route: Arc::clone(&starter.route),
            path: found.values,
            state: self.state.clone(),
            closing: self.closing.clone(),
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

    async fn serve<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        match self.find(&head.method, head.uri.path()) {
            Match::Found(found) => match read(body, BODY_LIMITS).await {
                Ok(body) => self.answer(found, head, body).await,
                Err(refusal) => refusal.into_response(),
            },
            Match::WrongMethod(allowed) => wrong_method(&allowed),
            Match::None => Refusal::NotFound.into_response(),
        }
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

impl<B> Service<Request<B>> for StarterService
where
    B: http_body::Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let service = self.clone();
        Box::pin(async move { Ok(service.serve(request).await) })
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Found").field("values", &self.values).finish_non_exhaustive()
    }
}

impl fmt::Debug for StarterService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.starters.iter().map(|starter| &starter.name).collect();
        f.debug_struct("StarterService").field("client", &self.client).field("starters", &names).finish_non_exhaustive()
    }
}
