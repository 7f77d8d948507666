//! What a request says its body is.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

/// True for `application/json`, in any case and with any parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().is_some_and(|media_type| media_type.trim().eq_ignore_ascii_case("application/json"))
}
