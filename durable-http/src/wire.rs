//! Names that both ends of the API share: the server here, and the remote client.

use http::HeaderName;

/// Carries a key, as for Azure Functions.
pub(crate) const FUNCTIONS_KEY: HeaderName = HeaderName::from_static("x-functions-key");
/// Says where the next page begins.
pub(crate) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation-token");
/// The trace of the W3C that a request is part of.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
pub(crate) const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
/// The longest page of instances.
pub(crate) const MAX_PAGE_SIZE: usize = 1_000;
