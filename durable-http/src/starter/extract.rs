//! The arguments of starters that are not parameters of the route.

use bytes::Bytes;
use durable_core::activity::{State, StateKey};
use durable_core::client::Client;
use serde::de::DeserializeOwned;

use super::context::RequestContext;
use super::error::HttpError;
use super::request::HttpRequest;
use crate::body::payload_or_null;
use crate::error_json::Refusal;

/// A type that an argument of a starter may have, apart from the parameters of its route.
///
/// | argument | is |
/// | --- | --- |
/// | `client: Client` | the client of the task hub |
/// | `request: HttpRequest` | the whole request |
/// | `Json(input): Json<T>` | the body, read as JSON; `null` when it is empty |
/// | `Text(text): Text` | the body as text |
/// | `RawBody(bytes): RawBody` | the body as bytes |
/// | `State(value): State<T>` | what was given with [`Starters::state`](crate::Starters::state) |
///
/// Implement it for a type of your own:
///
/// ```
/// use durable_http::{FromHttpRequest, HttpError, RequestContext};
/// use http::StatusCode;
///
/// struct Tenant(String);
///
/// impl FromHttpRequest for Tenant {
///     fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
///         let header = context.request().headers().get("x-tenant").and_then(|value| value.to_str().ok());
///         let tenant = header.ok_or_else(|| HttpError::new(StatusCode::UNAUTHORIZED, "who are you?"))?;
///         Ok(Self(tenant.to_owned()))
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an argument of an HTTP starter",
    label = "neither a parameter of the route nor an extractor",
    note = "name the argument in the route, in braces, or take a `Client`, an `HttpRequest`, `Json<T>`, `Text`, `RawBody` or `State<T>`, or implement `FromHttpRequest` for your type"
)]
pub trait FromHttpRequest: Sized {
    /// Makes the argument.
    ///
    /// # Errors
    ///
    /// The response that the caller gets instead of that of the starter.
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError>;

    /// The state that it needs, checked when the set of starters is built.
    #[must_use]
    fn required_state() -> Option<StateKey> {
        None
    }
}

impl FromHttpRequest for Client {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        Ok(context.client().clone())
    }
}

impl FromHttpRequest for HttpRequest {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        Ok(context.request().clone())
    }
}

/// The body of a request or of a response as JSON.
///
/// An empty request body is `null`, so `Json<Option<T>>` is a body that may be left out. The content type does not matter. A
/// body that is no JSON or no `T` is answered with a 400 that says which field does not fit. `Json<Payload>` keeps the JSON
/// byte for byte.
///
/// In a response it is a 200 with the value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Json<T>(pub T);

impl<T: DeserializeOwned> FromHttpRequest for Json<T> {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        let payload = payload_or_null(context.request().body());
        let value = payload.and_then(|payload| payload.decode().map_err(|error| Refusal::InvalidJson(error.into())));
        value.map(Self).map_err(HttpError::refused)
    }
}

/// The body of a request as text in UTF-8; anything else is answered with a 400.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text(pub String);

impl FromHttpRequest for Text {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        let text = std::str::from_utf8(context.request().body());
        let text = text.map_err(|error| HttpError::bad_request(format!("The request body is no text: {error}.")))?;
        Ok(Self(text.to_owned()))
    }
}

/// The body of a request as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawBody(pub Bytes);

impl FromHttpRequest for RawBody {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        Ok(Self(context.request().body().clone()))
    }
}

impl<T: Clone + Send + Sync + 'static> FromHttpRequest for State<T> {
    fn from_http_request(context: &RequestContext) -> Result<Self, HttpError> {
        let name = std::any::type_name::<T>();
        let missing = || Refusal::InvalidOperation(format!("The starters have no state of type {name}."));
        context.state().map(Self).ok_or_else(|| HttpError::refused(missing()))
    }

    fn required_state() -> Option<StateKey> {
        Some(StateKey::of::<T>())
    }
}
