//! HTTP starters: functions of users that answer requests, mostly by starting orchestrators.

mod context;
mod definition;
mod error;
mod extract;
mod request;
mod respond;
mod route;
pub(crate) mod set;
mod starters_error;
mod table;
mod trigger;
mod value;

pub use self::context::RequestContext;
pub use self::definition::{HttpStarter, StarterItem};
pub use self::error::HttpError;
pub use self::extract::{FromHttpRequest, Json, RawBody, Text};
pub use self::request::HttpRequest;
pub use self::respond::IntoHttpResponse;
pub use self::set::Starters;
pub use self::starters_error::StartersError;
pub(crate) use self::table::{Match, Table, wrong_method};
pub use self::value::RouteValue;

/// What the generated code of `#[http_starter]` names.
pub(crate) mod private {
    pub use super::context::RequestContext;
    pub use super::definition::{Answer, HttpStarter, extractor, refuse, respond};
    pub use durable_core::BoxFuture;
    pub use durable_core::activity::StateKey;
}
