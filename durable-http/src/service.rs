//! The whole API as one tower service.

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::Client;
use durable_core::model::TaskHubName;
use http::request::Parts;
use http::{Request, Response};
use tower_service::Service;

use crate::access::Keys;
use crate::body::{Body, BodyLimits, BoxError, read};
use crate::error_json::Refusal;
use crate::health;
use crate::links::Links;
use crate::origin::networks;
use crate::query::Query;
use crate::router::{self, Found};
use crate::routes::{self, Exchange};
use crate::setting_error::InvalidSetting;
use crate::starter::{Match, Starters, StartersError, Table, wrong_method};

const DEFAULT_MAX_BODY_BYTES: usize = 16 * 1024 * 1024;
/// The prefix of Azure Functions.
const DEFAULT_ROUTE_PREFIX: &str = "api";
const DEFAULT_BODY_READ_TIMEOUT: Duration = Duration::from_secs(30);

/// The HTTP API of one task hub as a [`tower_service::Service`], for any body type and any server.
///
/// It answers under both `/runtime/webhooks/durabletask` and `/durabletask`, on `/healthz` and `/readyz`, on the routes of its
/// [`starters`](Self::starters) below `/api`, and with an empty 404 everywhere else. Cloning is cheap. It never fails: whatever
/// goes wrong becomes a response.
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
pub struct DurableService(Arc<Shared>);

/// What the clones of a service have in common.
#[derive(Clone)]
struct Shared {
    client: Client,
    links: Links,
    manages: bool,
    starters: Option<Table>,
    /// What stands before the routes of starters, by segments.
    route_prefix: Vec<String>,
    body_limits: BodyLimits,
}

impl DurableService {
    /// The service for the task hub of `client`, without any [starters](Self::starters); [`of`](Self::of) brings along those
    /// of orchestrators with the option `http`.
    #[must_use]
    pub fn new(client: Client) -> Self {
        let body_limits = BodyLimits { max_bytes: DEFAULT_MAX_BODY_BYTES, idle: DEFAULT_BODY_READ_TIMEOUT };
        Self(Arc::new(Shared {
            client,
            links: Links::default(),
            manages: true,
            starters: None,
            route_prefix: vec![DEFAULT_ROUTE_PREFIX.to_owned()],
            body_limits,
        }))
    }

    /// The settings, for a change.
    fn settings(&mut self) -> &mut Shared {
        Arc::make_mut(&mut self.0)
    }

    /// Asks callers for one of these keys, in the query parameter `code` or the header `x-functions-key`; who has none is
    /// answered with 401. Links carry the first key. The health endpoints ask for none.
    #[must_use]
    pub fn keys(mut self, keys: Keys) -> Self {
        self.settings().links.access_mut().keys = Some(keys);
        self
    }

    /// Asks callers for this key. A shorthand for [`keys`](Self::keys) with a single one, which is called `default`.
    ///
    /// # Errors
    ///
    /// The key is empty or cannot be sent in a header.
    pub fn key(self, secret: &str) -> Result<Self, InvalidSetting> {
        let keys = Keys::new();
        keys.set("default", secret)?;
        Ok(self.keys(keys))
    }

    /// Signs links, instead of putting the key itself into them. Each link is then good for one operation on one instance,
    /// for this long, in whole seconds. Whoever has a key can still do everything. Without keys this changes nothing. Links that
    /// answer no request are not signed, and carry no key either.
    #[must_use]
    pub fn signed_links(mut self, valid_for: Duration) -> Self {
        self.settings().links.access_mut().signed_links = Some(valid_for);
        self
    }

    /// Asks programs on this machine for no key under `/durabletask`, which the SDKs of other languages use without one.
    /// Requests that a proxy has passed on, that name another host than this machine, or that a web page made a browser send
    /// still need a key. Say this only when everybody on this machine may manage the hub, and no proxy on it leaves out
    /// that it is one: nginx does, unless it is told to set `X-Forwarded-For` or `X-Real-IP`.
    #[must_use]
    pub fn local_rpc_without_key(mut self) -> Self {
        self.settings().links.access_mut().local_rpc_is_open = true;
        self
    }

    /// Refuses everything that changes something with 403, and all starters.
    #[must_use]
    pub fn read_only(mut self) -> Self {
        self.settings().links.access_mut().read_only = true;
        self
    }

    /// Lets pages of other web sites change something, where nobody is asked for a key. Without this, requests that a browser
    /// marks as theirs are refused with 403 in that case: everybody who may reach the service would do their will by looking
    /// at them. Say it where a layer of yours knows the users.
    #[must_use]
    pub fn allow_other_sites(mut self) -> Self {
        self.settings().links.access_mut().other_sites_may = true;
        self
    }

    /// Leaves the management API out: its paths are answered with an empty 404. The links of a check-status response lead
    /// there, too, so that starters and handlers of yours answer with something else then.
    #[must_use]
    pub fn without_management(mut self) -> Self {
        self.settings().manages = false;
        self
    }

    /// Answers with these starters as well, beside those that are there. With [`keys`](Self::keys), they ask for one, too,
    /// unless they are [anonymous](Starters::anonymous). Where only the verb of a request is another, the answer is 405.
    /// Orchestrators with the option `http` come with [`of`](Self::of) or [`Starters::starters_of`].
    ///
    /// # Errors
    ///
    /// [`StartersError`] with every mistake: two starters that answer the same requests, or state that a starter asks for and
    /// nobody gave.
    pub fn starters(mut self, starters: Starters) -> Result<Self, StartersError> {
        self.settings().starters = Some(starters.check(self.0.starters.as_ref())?);
        Ok(self)
    }

    /// Sets what stands before the routes of starters, `api` unless set. It may be empty, and may have several segments.
    #[must_use]
    pub fn route_prefix(mut self, prefix: &str) -> Self {
        self.settings().route_prefix =
            prefix.split('/').filter(|segment| !segment.is_empty()).map(str::to_owned).collect();
        self
    }

    /// Lets links start with this instead of with the host that a request was sent to: `https://example.com`, or
    /// `https://example.com/durable` where a proxy takes a path off.
    ///
    /// # Errors
    ///
    /// The text is no such address.
    pub fn public_origin(mut self, origin: &str) -> Result<Self, InvalidSetting> {
        self.settings().links.origins_mut().public = Some(origin.parse()?);
        Ok(self)
    }

    /// Believes `Forwarded` and `X-Forwarded-*` headers in requests from these proxies, each an address or a network such as
    /// `10.0.0.0/8`: links then start with the host that the proxy was asked for. Others can write into these headers what
    /// they like, so the proxy has to set or remove each of them. Where `Forwarded` and the others say different things,
    /// neither is believed.
    ///
    /// # Errors
    ///
    /// One of them is neither an address nor a network.
    pub fn trusted_proxies<T: AsRef<str>>(
        mut self,
        proxies: impl IntoIterator<Item = T>,
    ) -> Result<Self, InvalidSetting> {
        self.settings().links.origins_mut().trusted = networks(proxies)?;
        Ok(self)
    }

    /// What links of this service look like, for functions of yours beside it.
    #[must_use]
    pub fn links(&self) -> Links {
        self.0.links.clone()
    }

    /// The largest request body, 16 MiB unless set. A larger one is refused with 413.
    #[must_use]
    pub fn max_body_bytes(mut self, max_bytes: usize) -> Self {
        self.settings().body_limits.max_bytes = max_bytes;
        self
    }

    /// The longest silence within a request body, 30 seconds unless set. A longer one is refused with 408, as is a body that
    /// after that time has come with less than 500 bytes a second.
    #[must_use]
    pub fn body_read_timeout(mut self, timeout: Duration) -> Self {
        self.settings().body_limits.idle = timeout;
        self
    }

    /// Answers all requests that wait for an instance with the check-status response, at once and from now on, in this
    /// service and all its clones. Call it when your server begins to stop; [`serve`](crate::serve) does so by itself.
    pub fn stop_waiting(&self) {
        self.0.links.closing().cancel();
    }

    pub(crate) fn task_hub(&self) -> &TaskHubName {
        self.0.client.task_hub()
    }

    /// Writes to the log what the starters answer to: nothing else shows that one was forgotten.
    pub(crate) fn log_starters(&self) {
        for request in self.0.starters.iter().flat_map(|starters| starters.requests(&self.0.route_prefix)) {
            tracing::info!(%request, "a starter answers");
        }
    }

    /// True when everybody who reaches this service may do something.
    pub(crate) fn is_open(&self) -> bool {
        self.0.links.access().keys.is_none()
    }

    /// The client, knowing where it is served.
    pub(crate) fn client_at(&self, origin: &str) -> Client {
        self.client_with(&self.0.links, origin)
    }

    fn client_with(&self, links: &Links, origin: &str) -> Client {
        let known = self.0.client.webhook_url().is_some();
        if known { self.0.client.clone() } else { self.0.client.clone().with_webhook_url(links.webhook_url(origin)) }
    }

    /// The answer to a request, whatever goes wrong.
    pub(crate) async fn answer<B>(&self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let (head, body) = request.into_parts();
        let path = router::decode(head.uri.path());
        if let Some(check) = health::find(&head.method, &path) {
            let is_stopping = self.0.links.closing().is_cancelled();
            return Box::pin(health::answer(check, self.0.client.as_dyn(), is_stopping)).await;
        }
        let answer = match router::find(&head.method, &path).filter(|_| self.0.manages) {
            Some(found) => self.manage(&head, body, found).await,
            // The larger one of both, which the other one should not carry around.
            None => Box::pin(self.start(head, body)).await,
        };
        answer.unwrap_or_else(Refusal::into_response)
    }

    async fn start<B>(&self, mut head: Parts, body: B) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let starters = self.0.starters.as_ref().ok_or(Refusal::NotFound)?;
        let found = match starters.find(&head.method, head.uri.path(), &self.0.route_prefix) {
            Match::Found(found) => found,
            Match::WrongMethod(allowed) => return Ok(wrong_method(&allowed)),
            Match::None => return Err(Refusal::NotFound),
        };
        head.extensions.insert(self.0.links.clone());
        let has_key = self.0.links.access().check_starter(&head, starters.is_anonymous(&found))?;
        // Who has no key is not given one, by whatever way links are made.
        let links = if has_key { self.0.links.clone() } else { self.0.links.clone().signed() };
        let client = self.client_with(&links, &Links::origin_of(&head));
        head.extensions.insert(links);
        let body = read(body, self.0.body_limits).await?;
        Ok(starters.answer(found, client, head, body).await)
    }

    async fn manage<B>(&self, head: &Parts, body: B, found: Found<'_>) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let query = Query::parse(head.uri.query());
        // A caller who may not do this is not read to the end.
        self.0.links.access().check(head, &query, found, self.0.client.task_hub())?;
        let body = if found.route.takes_body() { read(body, self.0.body_limits).await? } else { Vec::new() };
        let exchange = Exchange { client: self.0.client.as_dyn(), head, query, body, links: &self.0.links };
        routes::answer(&exchange, found.route).await
    }
}

impl From<Client> for DurableService {
    fn from(client: Client) -> Self {
        Self::new(client)
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
            .field("client", &self.0.client)
            .field("links", &self.0.links)
            .field("body_limits", &self.0.body_limits)
            .finish_non_exhaustive()
    }
}
