//! What starters return.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use serde::Serialize;

use super::error::HttpError;
use super::extract::{Json, RawBody, Text};
use crate::body::{Body, empty, json};

/// A type that a starter may return.
///
/// | returned | answer |
/// | --- | --- |
/// | `Response<Body>` | itself |
/// | `StatusCode` | that code, without a body |
/// | `()` | 204 |
/// | `Json<T>` | 200, with the value as JSON |
/// | `String`, `&str`, `Text` | 200, as plain text |
/// | `RawBody` | 200, with these bytes |
/// | `(StatusCode, R)` | that of `R`, with this code |
/// | `Result<R, E>` | that of `R`, or of the [`HttpError`] that `E` becomes |
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no response",
    label = "an HTTP starter cannot return this",
    note = "return a `Response<Body>`, a `StatusCode`, `()`, `Json<T>`, a `String`, `(StatusCode, R)`, or a `Result` of one of them whose error becomes an `HttpError`"
)]
pub trait IntoHttpResponse {
    /// Makes the response.
    ///
    /// # Errors
    ///
    /// What is answered instead.
    fn into_http_response(self) -> Result<Response<Body>, HttpError>;
}

impl IntoHttpResponse for Response<Body> {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        Ok(self)
    }
}

impl IntoHttpResponse for StatusCode {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        Ok(empty(self))
    }
}

impl IntoHttpResponse for () {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        Ok(empty(StatusCode::NO_CONTENT))
    }
}

impl<T: Serialize> IntoHttpResponse for Json<T> {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        json(StatusCode::OK, &self.0).map_err(HttpError::refused)
    }
}

impl IntoHttpResponse for String {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        Ok(with_type("text/plain; charset=utf-8", Body::from(self)))
    }
}

impl IntoHttpResponse for &'static str {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        self.to_owned().into_http_response()
    }
}

impl IntoHttpResponse for Text {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        self.0.into_http_response()
    }
}

impl IntoHttpResponse for RawBody {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        Ok(with_type("application/octet-stream", Body::from(self.0)))
    }
}

fn with_type(content_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

impl<R: IntoHttpResponse> IntoHttpResponse for (StatusCode, R) {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        let (status, inner) = self;
        let mut response = inner.into_http_response()?;
        *response.status_mut() = status;
        Ok(response)
    }
}

impl<R: IntoHttpResponse, E: Into<HttpError>> IntoHttpResponse for Result<R, E> {
    fn into_http_response(self) -> Result<Response<Body>, HttpError> {
        self.map_err(Into::into)?.into_http_response()
    }
}
