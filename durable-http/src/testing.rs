//! Requests and responses for tests, without a socket.
//!
//! They fit [`DurableService`](crate::DurableService), your own HTTP functions and an axum router alike: everything that
//! is a [`tower_service::Service`] of HTTP requests.
//!
//! ```
//! use durable_http::testing::{call, request};
//!
//! # async fn doc(service: durable_http::DurableService) {
//! let response = call(&service, request("POST", "/durabletask/orchestrators/hello_cities").json(&["Tokyo"])).await;
//! assert_eq!(response.status, 202);
//! assert!(response.header("location").unwrap().starts_with("http://localhost:7071/runtime/webhooks/durabletask/"));
//! # }
//! ```

use std::fmt::{Debug, Display};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tower_service::Service;

use crate::body::Body;

/// A request in the making. [`TestRequest::build`] or [`call`] finish it.
#[derive(Debug)]
#[must_use = "a request does nothing before it is sent"]
pub struct TestRequest(Request<Body>);

/// A request with this verb and target to the host `localhost:7071`.
///
/// # Panics
///
/// When the verb or the target is not one.
pub fn request(method: &str, target: impl AsRef<str>) -> TestRequest {
    let request = Request::builder().method(method).uri(target.as_ref()).header(HOST, "localhost:7071");
    TestRequest(must(request.body(Body::empty()), "the request is not valid"))
}

impl TestRequest {
    /// With this value as its JSON body.
    ///
    /// # Panics
    ///
    /// When the value has no JSON form.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Self {
        self.body("application/json", must(serde_json::to_vec(value), "the body has no JSON form"))
    }

    /// With this body of this content type; an empty content type means none.
    ///
    /// # Panics
    ///
    /// When the content type is not a header value.
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        *self.0.body_mut() = Body::from(body.into());
        if content_type.is_empty() {
            self.0.headers_mut().remove(CONTENT_TYPE);
            return self;
        }
        self.header(CONTENT_TYPE.as_str(), content_type)
    }

    /// With this header field, instead of any other of that name.
    ///
    /// # Panics
    ///
    /// When the name or the value is not valid.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = must(HeaderName::from_bytes(name.as_bytes()), "the header name is not valid");
        let value = must(HeaderValue::from_bytes(value.as_ref()), "the header value is not valid");
        self.0.headers_mut().insert(name, value);
        self
    }

    /// Without this header field.
    pub fn without_header(mut self, name: &str) -> Self {
        self.0.headers_mut().remove(name);
        self
    }

    /// The request itself.
    #[must_use]
    pub fn build(self) -> Request<Body> {
        self.0
    }
}

impl From<TestRequest> for Request<Body> {
    fn from(request: TestRequest) -> Self {
        request.build()
    }
}

/// A response with its whole body.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TestResponse {
    /// The code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: String,
}

impl TestResponse {
    /// Takes a response in.
    ///
    /// # Panics
    ///
    /// When the body breaks off or is not UTF-8.
    pub async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body,
        B::Error: Debug,
    {
        let (head, body) = response.into_parts();
        let Ok(body) = body.collect().await else { panic!("the body of the response broke off") };
        let body = must(String::from_utf8(body.to_bytes().into()), "the body is not UTF-8");
        Self { status: head.status, headers: head.headers, body }
    }

    /// The value of a header field, when there is one and it is text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body as JSON.
    ///
    /// # Panics
    ///
    /// When the body does not fit `T`.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        must(serde_json::from_str(&self.body), &self.body)
    }
}

/// Sends a request to a service and reads the whole response.
///
/// # Panics
///
/// When the service fails.
pub async fn call<S, B>(service: &S, request: impl Into<Request<Body>>) -> TestResponse
where
    S: Service<Request<Body>, Response = Response<B>> + Clone,
    S::Error: Debug,
    B: http_body::Body,
    B::Error: Debug,
{
    let mut service = service.clone();
    if let Err(error) = std::future::poll_fn(|cx| service.poll_ready(cx)).await {
        panic!("the service is not ready: {error:?}");
    }
    match service.call(request.into()).await {
        Ok(response) => TestResponse::read(response).await,
        Err(error) => panic!("the service failed: {error:?}"),
    }
}

fn must<T, E: Display>(result: Result<T, E>, what: &str) -> T {
    result.unwrap_or_else(|error| panic!("{what}: {error}"))
}
