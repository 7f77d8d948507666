//! The addresses of an instance, as they are handed out.

use durable_core::model::{InstanceId, TaskHubName};
use http::header::{LOCATION, RETRY_AFTER};
use http::{HeaderValue, Response, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::body::{Body, json};
use crate::error_json::Refusal;
use crate::router::WEBHOOK_PATH;

/// Everything but the unreserved characters of RFC 3986: a space is `%20` and a plus `%2B`.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

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
    pub(crate) fn new(origin: &str, hub: &TaskHubName, id: &InstanceId) -> Self {
        let instance = format!("{origin}{WEBHOOK_PATH}/instances/{}", utf8_percent_encode(id.as_str(), ESCAPED));
        let system = format!("taskHub={hub}&connection=Storage");
        let with_reason = |operation| format!("{instance}/{operation}?reason={{text}}&{system}");
        Self {
            id: id.as_str().to_owned(),
            status_query_get_uri: format!("{instance}?{system}"),
            send_event_post_uri: format!("{instance}/raiseEvent/{{eventName}}?{system}"),
            terminate_post_uri: with_reason("terminate"),
            rewind_post_uri: Some(with_reason("rewind")),
            purge_history_delete_uri: format!("{instance}?{system}"),
            restart_post_uri: format!("{instance}/restart?{system}"),
            suspend_post_uri: with_reason("suspend"),
            resume_post_uri: with_reason("resume"),
        }
    }
}

/// How the state that a check-status response points to shows a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailedAs {
    Ok,
    InternalServerError,
}

/// The 202 that tells a caller where to look. The instance is not looked up.
pub(crate) fn check_status_response(
    origin: &str,
    hub: &TaskHubName,
    id: &InstanceId,
    failed_as: FailedAs,
) -> Response<Body> {
    let mut links = HttpManagementPayload { rewind_post_uri: None, ..HttpManagementPayload::new(origin, hub, id) };
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
