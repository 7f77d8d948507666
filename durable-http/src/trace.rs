//! The trace that a request is part of: the headers `traceparent` and `tracestate` of the W3C.

use durable_core::model::TraceContext;
use http::{HeaderMap, HeaderValue};

const TRACEPARENT: &str = "traceparent";
const TRACESTATE: &str = "tracestate";

/// The trace of a request. Headers that are not valid are ignored, as the W3C wants it: a trace is never worth an error.
pub(crate) fn of(headers: &HeaderMap) -> Option<TraceContext> {
    let mut parents = headers.get_all(TRACEPARENT).iter();
    // Of two parents nobody can tell which one is meant.
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    TraceContext::new(parent.to_str().ok()?.trim(), state(headers).as_deref()).ok()
}

/// Several `tracestate` headers are one list.
fn state(headers: &HeaderMap) -> Option<String> {
    let states: Result<Vec<_>, _> = headers.get_all(TRACESTATE).iter().map(HeaderValue::to_str).collect();
    states.ok().filter(|states| !states.is_empty()).map(|states| states.join(","))
}
