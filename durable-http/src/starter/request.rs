//! A request that is all there.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Request, Uri};
use http_body::Body as _;

use crate::body::Body;
use crate::origin::RequestHead;
use crate::testing::TestRequest;

/// A request with its whole body, as a starter takes it. Cloning it shares the body.
///
/// A test makes one from what [`testing::request`](crate::testing::request) gives:
///
/// ```
/// use durable_http::HttpRequest;
/// use durable_http::testing::request;
///
/// let request: HttpRequest = request("POST", "/api/hello").json("Ada").into();
/// assert_eq!(request.body().as_ref(), br#""Ada""#);
/// ```
#[derive(Clone)]
pub struct HttpRequest {
    head: Parts,
    body: Bytes,
}

impl HttpRequest {
    pub(crate) fn new(head: Parts, body: Bytes) -> Self {
        Self { head, body }
    }

    /// The verb.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.head.method
    }

    /// The target.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.head.uri
    }

    /// The header fields.
    #[must_use]
    pub fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The body.
    #[must_use]
    pub fn body(&self) -> &Bytes {
        &self.body
    }
}

/// Without the values of headers and of the query, since one of them may be a key.
impl fmt::Debug for HttpRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest")
            .field("method", self.method())
            .field("path", &self.uri().path())
            .field("headers", &self.headers().keys().map(http::HeaderName::as_str).collect::<Vec<_>>())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

impl RequestHead for HttpRequest {
    fn uri(&self) -> &Uri {
        &self.head.uri
    }

    fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    fn extensions(&self) -> &Extensions {
        &self.head.extensions
    }
}

impl From<Request<Body>> for HttpRequest {
    fn from(request: Request<Body>) -> Self {
        let (head, mut body) = request.into_parts();
        // Our bodies are one frame that is there at once.
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { return Self::new(head, Bytes::new()) };
        Self::new(head, frame.into_data().unwrap_or_default())
    }
}

impl From<TestRequest> for HttpRequest {
    fn from(request: TestRequest) -> Self {
        request.build().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::request;

    #[test]
    fn a_key_is_never_shown() {
        let request: HttpRequest =
            request("POST", "/api/x?code=hush").header("x-functions-key", "hush").body("", "hush").into();
        let shown = format!("{request:?}");
        assert!(shown.contains("/api/x") && !shown.contains("hush"), "{shown}");
    }
}
