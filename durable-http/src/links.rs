//! The addresses of an instance, as they are handed out.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use durable_core::model::{InstanceId, TaskHubName};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use crate::access::{Access, Keys, sign};
use crate::body::{Body, json};
use crate::error_json::Refusal;
use crate::origin::{Origins, RequestHead};
use crate::router::{Route, WEBHOOK_PATH};

/// What links call the place where our hub is stored; clients of Azure name a storage account here.
const DEFAULT_CONNECTION: &str = "Storage";
/// How long the links are good for that somebody without a key is given.
const LINKS_WITHOUT_KEY: Duration = Duration::from_secs(24 * 3_600);
/// Everything but the unreserved characters of RFC 3986: a space is `%20` and a plus `%2B`.
pub(crate) const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The addresses with which a caller manages one instance.
///
/// `{eventName}` and `{text}` in them are placeholders, braces included, for the caller to fill in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct HttpManagementPayload {
    /// The id of the instance.
    pub id: String,
    /// GET: the state.
    pub status_query_get_uri: String,
    /// POST: raises an event.
    pub send_event_post_uri: String,
    /// POST: terminates the instance.
    pub terminate_post_uri: String,
    /// POST: rewinds a failed instance. Not part of a check-status response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rewind_post_uri: Option<String>,
    /// DELETE: removes the instance.
    pub purge_history_delete_uri: String,
    /// POST: starts the instance once more.
    pub restart_post_uri: String,
    /// POST: suspends the instance.
    pub suspend_post_uri: String,
    /// POST: resumes the instance.
    pub resume_post_uri: String,
}

impl HttpManagementPayload {
    pub(crate) fn new(base: &LinkBase, hub: &TaskHubName, id: &InstanceId) -> Self {
        let id = id.as_str();
        let to = |route: Route<'_>, suffix: &str| base.link(hub, id, route, suffix);
        Self {
            id: id.to_owned(),
            status_query_get_uri: to(Route::Status { id }, ""),
            send_event_post_uri: to(Route::RaiseEvent { id, name: "" }, "/raiseEvent/{eventName}"),
            terminate_post_uri: to(Route::Terminate { id }, "/terminate?reason={text}"),
            rewind_post_uri: Some(to(Route::Rewind { id }, "/rewind?reason={text}")),
            purge_history_delete_uri: to(Route::Purge { id }, ""),
            restart_post_uri: to(Route::Restart { id }, "/restart"),
            suspend_post_uri: to(Route::Suspend { id }, "/suspend?reason={text}"),
            resume_post_uri: to(Route::Resume { id }, "/resume?reason={text}"),
        }
    }
}

/// What links look like: where they point to, and what lets in the one who follows them.
///
/// [`DurableService`](crate::DurableService) leaves its own in the extensions of each request that it passes on, and
/// [`DurableClientHttpExt`](crate::DurableClientHttpExt) finds them there; its waits end when the service stops. For functions
/// beside a mounted service, put [`DurableService::links`](crate::DurableService::links) into the extensions of their requests,
/// with `axum::Extension` for example:
///
/// ```
/// # fn doc(service: durable_http::DurableService) -> axum::Router {
/// let links = service.links();
/// axum::Router::new().layer(axum::Extension(links)).fallback_service(service)
/// # }
/// ```
///
/// Without them links point to where the request was sent to, and carry no key.
#[derive(Clone, Default)]
pub struct Links {
    settings: Arc<Settings>,
    closing: CancellationToken,
}

#[derive(Debug, Clone, Default)]
struct Settings {
    origins: Origins,
    access: Access,
}

impl Links {
    pub(crate) fn access(&self) -> &Access {
        &self.settings.access
    }

    pub(crate) fn access_mut(&mut self) -> &mut Access {
        &mut Arc::make_mut(&mut self.settings).access
    }

    pub(crate) fn origins_mut(&mut self) -> &mut Origins {
        &mut Arc::make_mut(&mut self.settings).origins
    }

    /// The links for the answer to a request: by the settings that were left in its extensions.
    pub(crate) fn for_request(request: &impl RequestHead) -> LinkBase {
        match request.extensions().get::<Self>() {
            Some(links) => links.base(request),
            None => Self::default().base(request),
        }
    }

    /// The links for the answer to a request, by these settings.
    pub(crate) fn base(&self, request: &impl RequestHead) -> LinkBase {
        LinkBase::new(format!("{}{WEBHOOK_PATH}", self.origin(request)), Pass::of(&self.settings.access))
    }

    /// The same links, but never with the key itself.
    pub(crate) fn signed(mut self) -> Self {
        self.access_mut().signed_links.get_or_insert(LINKS_WITHOUT_KEY);
        self
    }

    /// Cancelled when the service stops, so that nobody waits any longer.
    pub(crate) fn closing(&self) -> &CancellationToken {
        &self.closing
    }

    /// Cancelled when the service that answers this request stops.
    pub(crate) fn closing_of(request: &impl RequestHead) -> CancellationToken {
        request.extensions().get::<Self>().map(|links| links.closing.clone()).unwrap_or_default()
    }

    /// Where a request was sent to, as callers outside see it.
    pub(crate) fn origin_of(request: &impl RequestHead) -> String {
        match request.extensions().get::<Self>() {
            Some(links) => links.origin(request),
            None => Origins::default().of(request),
        }
    }

    /// Where a request was sent to, by these settings.
    pub(crate) fn origin(&self, request: &impl RequestHead) -> String {
        self.settings.origins.of(request)
    }

    /// The address of the management API with the key that links carry, for links that answer no request.
    pub(crate) fn webhook_url(&self, origin: &str) -> String {
        let origin = self.settings.origins.public.as_ref().map_or(origin, |public| public.as_str());
        match Pass::of(&self.settings.access) {
            Pass::Query(query) => format!("{origin}{WEBHOOK_PATH}?{query}"),
            Pass::None | Pass::Signed { .. } => format!("{origin}{WEBHOOK_PATH}"),
        }
    }
}

impl fmt::Debug for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Links").field("origins", &self.settings.origins).field("access", &self.settings.access).finish()
    }
}

/// What all links of one answer have in common.
pub(crate) struct LinkBase {
    webhook: String,
    /// `taskHub=...`, where it is not the hub of the client, and `connection=...`.
    hub: Option<String>,
    connection: String,
    pass: Pass,
}

/// What lets in the one who follows a link.
enum Pass {
    None,
    /// The end of the query.
    Query(String),
    Signed {
        key: String,
        valid_for: Duration,
    },
}

impl Pass {
    fn of(access: &Access) -> Self {
        match (access.keys.as_ref().and_then(Keys::for_links), access.signed_links) {
            (None, _) => Self::None,
            (Some(key), Some(valid_for)) => Self::Signed { key, valid_for },
            (Some(key), None) => Self::Query(format!("code={}", escaped(&key))),
        }
    }
}

impl LinkBase {
    fn new(webhook: String, pass: Pass) -> Self {
        Self { webhook, hub: None, connection: DEFAULT_CONNECTION.to_owned(), pass }
    }

    /// The links below the address of a management API, whose query they repeat.
    pub(crate) fn below(webhook_url: &str) -> Self {
        let (webhook, query) = webhook_url.split_once('?').unwrap_or((webhook_url, ""));
        let mut base = Self::new(webhook.trim_end_matches('/').to_owned(), Pass::None);
        let mut rest = Vec::new();
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((name, value)) if name.eq_ignore_ascii_case("taskHub") => base.hub = Some(value.to_owned()),
                Some((name, value)) if name.eq_ignore_ascii_case("connection") => {
                    value.clone_into(&mut base.connection);
                }
                _ => rest.push(part),
            }
        }
        if !rest.is_empty() {
            base.pass = Pass::Query(rest.join("&"));
        }
        base
    }

    fn link(&self, hub: &TaskHubName, id: &str, route: Route<'_>, suffix: &str) -> String {
        let separator = if suffix.contains('?') { '&' } else { '?' };
        let shown_hub = self.hub.as_deref().unwrap_or(hub.as_str());
        let mut link = format!(
            "{}/instances/{}{suffix}{separator}taskHub={shown_hub}&connection={}",
            self.webhook,
            escaped(id),
            self.connection
        );
        match &self.pass {
            Pass::None => {}
            Pass::Query(query) => {
                link.push('&');
                link.push_str(query);
            }
            Pass::Signed { key, valid_for } => {
                if let Some((operation, id)) = route.operation() {
                    link.push_str("&code=");
                    link.push_str(&sign(key, hub, operation, id, *valid_for));
                }
            }
        }
        link
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

/// How the state that a check-status response points to shows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAs {
    Ok,
    InternalServerError,
}

/// The 202 that tells a caller where to look. The instance is not looked up.
pub(crate) fn check_status_response(
    base: &LinkBase,
    hub: &TaskHubName,
    id: &InstanceId,
    failed_as: FailedAs,
) -> Response<Body> {
    let mut links = HttpManagementPayload { rewind_post_uri: None, ..HttpManagementPayload::new(base, hub, id) };
    if failed_as == FailedAs::InternalServerError {
        links.status_query_get_uri.push_str("&returnInternalServerErrorOnFailure=true");
    }
    let mut response = json(StatusCode::ACCEPTED, &links).unwrap_or_else(Refusal::into_response);
    // The link is ASCII by construction, so there is always a location.
    if let Ok(location) = HeaderValue::from_str(&links.status_query_get_uri) {
        response.headers_mut().insert(LOCATION, location);
    }
    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    response
}
