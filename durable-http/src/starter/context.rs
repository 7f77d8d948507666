//! What a starter is made of: one request, and what is around it.

use std::fmt;
use std::sync::Arc;

use durable_core::activity::StateMap;
use durable_core::client::{Client, ClientError};

use super::error::HttpError;
use super::request::HttpRequest;
use super::route::Route;
use super::value::RouteValue;
use crate::error_json::Refusal;
use crate::query::Query;

/// One request to a starter, from which its arguments are made. Extractors of your own see it; see
/// [`FromHttpRequest`](crate::FromHttpRequest).
pub struct RequestContext {
    pub(super) client: Client,
    pub(super) request: HttpRequest,
    pub(super) route: Arc<Route>,
    /// What the path says of the parameters.
    pub(super) path: Vec<(String, String)>,
    pub(super) query: Query,
    pub(super) state: StateMap,
}

impl RequestContext {
    /// The client of the task hub.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> &HttpRequest {
        &self.request
    }

    /// The state of this type, as it was given with [`Starters::state`](crate::Starters::state).
    #[must_use]
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.state.get()
    }

    /// A parameter: from the path, else from the query, else its default. A blank one counts as absent.
    ///
    /// # Errors
    ///
    /// It is absent, or its text is no `T`: a 400 that says so.
    pub fn required<T: RouteValue>(&self, name: &str) -> Result<T, HttpError> {
        self.optional(name)?
            .ok_or_else(|| refused(format!("The parameter '{name}' is missing. Expected is {}.", T::EXPECTED)))
    }

    /// A parameter as [`required`](Self::required) gives it; `None` where it is absent and has no default.
    ///
    /// # Errors
    ///
    /// Its text is no `T`: a 400 that says so.
    pub fn optional<T: RouteValue>(&self, name: &str) -> Result<Option<T>, HttpError> {
        let in_path = self.path.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone());
        let text = in_path.filter(|text| !text.trim().is_empty()).or_else(|| self.query.filled(name));
        let Some(text) = text.or_else(|| self.route.default_of(name).map(str::to_owned)) else { return Ok(None) };
        match T::from_route(&text) {
            Some(value) => Ok(Some(value)),
            None => {
                let text: String = text.chars().take(200).collect();
                let expected = T::EXPECTED;
                Err(refused(format!("The value '{text}' of the parameter '{name}' is not {expected}.")))
            }
        }
    }
}

fn refused(message: String) -> HttpError {
    HttpError::refused(Refusal::Client(ClientError::invalid_argument(message)))
}

impl fmt::Debug for RequestContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestContext")
            .field("request", &self.request)
            .field("route", &self.route)
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}
