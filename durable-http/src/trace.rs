//! The trace that a request is part of: the headers `traceparent` and `tracestate` of the W3C.

use durable_core::model::TraceContext;
use http::{HeaderMap, HeaderValue};

use crate::wire::{TRACEPARENT, TRACESTATE};

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

#[cfg(test)]
mod tests {
    use super::*;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn trace(headers: &[(http::HeaderName, &'static str)]) -> Option<TraceContext> {
        let headers =
            headers.iter().map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value.as_bytes()).unwrap()));
        let mut map = HeaderMap::new();
        headers.for_each(|(name, value)| {
            map.append(name, value);
        });
        of(&map)
    }

    #[test]
    fn several_states_are_one_list_and_several_parents_are_none() {
        let states = trace(&[(TRACEPARENT, PARENT), (TRACESTATE, "a=1"), (TRACESTATE, "b=2")]).unwrap();
        assert_eq!(states.tracestate(), Some("a=1,b=2"));
        assert_eq!(trace(&[(TRACEPARENT, PARENT), (TRACEPARENT, PARENT)]), None);
    }
}
