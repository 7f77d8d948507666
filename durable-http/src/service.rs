//! The whole API as one tower service.

use std::convert::Infallible;
use std::fmt;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::Client;
use durable_core::model::TaskHubName;
use http::{Request, Response};
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use crate::body::{Body, BodyLimits, BoxError, read};
use crate::error_json::Refusal;
use crate::query::Query;
use crate::router;
use crate::routes::{self, Exchange};

const DEFAULT_MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
const DEFAULT_BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP API of one task hub as a [`tower_service::Service`], for any body type and any server.
///
/// It answers under both `/runtime/webhooks/durabletask` and `/durabletask`, and with an empty 404 everywhere else.
/// Cloning is cheap. It never fails: whatever goes wrong becomes a response.
///
/// [`serve`](crate::serve) runs it alone. In an axum application it is the fallback, so that the paths of the application
/// go first:
///
/// ```
/// # fn doc(client: durable_core::client::Client) -> axum::Router {
/// axum::Router::new()
///     .route("/", axum::routing::get(|| async { "my application" }))
///     .fallback_service(durable_http::DurableService::new(client))
/// # }
/// ```
///
/// It needs a tokio runtime with a timer.
#[derive(Clone)]
pub struct DurableService {
    client: Client,
    body_limits: BodyLimits,
    closing: CancellationToken,
}

impl DurableService {
    /// The service for the task hub of `client`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let body_limits = BodyLimits { max_bytes: DEFAULT_MAX_BODY_BYTES, idle: DEFAULT_BODY_READ_TIMEOUT };
        Self { client, body_limits, closing: CancellationToken::new() }
    }

    /// The largest request body, 16 MiB unless set. A larger one is refused with 413.
    #[must_use]
    pub fn max_body_bytes(mut self, max_bytes: usize) -> Self {
        self.body_limits.max_bytes = max_bytes;
        self
    }

    /// The longest silence within a request body, 30 seconds unless set. A longer one is refused with 408.
    #[must_use]
    pub fn body_read_timeout(mut self, timeout: Duration) -> Self {
        self.body_limits.idle = timeout;
        self
    }

    /// Answers all requests that wait for an instance with the check-status response, at once and from now on, in this
    /// service and all its clones. Call it when your server begins to stop; [`serve`](crate::serve) does so by itself.
    pub fn stop_waiting(&self) {
        self.closing.cancel();
    }

    pub(crate) fn task_hub(&self) -> &TaskHubName {
        self.client.task_hub()
    }

    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let path = router::decode(head.uri.path());
        let Some(route) = router::find(&head.method, &path) else { return Refusal::NotFound.into_response() };
        let body = if route.takes_body() { read(body, self.body_limits).await } else { Ok(Vec::new()) };
        let body = match body {
            Ok(body) => body,
            Err(refusal) => return refusal.into_response(),
        };
        let exchange = Exchange {
            client: self.client.as_dyn(),
            head: &head,
            query: Query::parse(head.uri.query()),
            body,
            closing: &self.closing,
        };
        routes::answer(&exchange, route).await.unwrap_or_else(Refusal::into_response)
    }
}

impl<B> Service<Request<B>> for DurableService
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
        Box::pin(async move { Ok(service.answer(request).await) })
    }
}

impl fmt::Debug for DurableService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableService")
            .field("client", &self.client)
            .field("body_limits", &self.body_limits)
            .finish_non_exhaustive()
    }
}
