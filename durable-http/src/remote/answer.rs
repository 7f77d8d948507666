//! What a server answers, and what it means when that is not what was hoped for.

use std::fmt;

use bytes::Bytes;
use durable_core::client::{ClientError, ClientErrorKind};
use http::{HeaderMap, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::body::BoxError;

/// The most of a server's explanation that is kept.
const MAX_EXPLANATION: usize = 2_000;

/// An answer that is all there.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, ClientError> {
        serde_json::from_slice(&self.body).map_err(unreadable)
    }

    /// What the server says about its refusal.
    pub(super) fn explanation(&self) -> Option<String> {
        let text = match serde_json::from_slice(&self.body).ok()? {
            Value::String(text) => text,
            Value::Object(fields) => {
                let field = |name| fields.get(name)?.as_str().map(str::to_owned);
                field("ExceptionMessage").or_else(|| field("Message"))?
            }
            _ => return None,
        };
        Some(text.chars().take(MAX_EXPLANATION).collect())
    }

    /// The error for an answer that means the same on every route.
    pub(super) fn refusal(&self, operation: &'static str) -> ClientError {
        let answer = RemoteAnswer { status: self.status, explanation: self.explanation() };
        let kind = match self.status {
            StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
                ClientErrorKind::InvalidArgument { message: format!("the remote task hub refused to {operation}") }
            }
            StatusCode::NOT_IMPLEMENTED => ClientErrorKind::Unsupported { operation },
            _ => ClientErrorKind::Remote { message: format!("it did not {operation}") },
        };
        ClientError::new(kind).with_source(answer)
    }
}

/// The error for an answer that says something, but nothing that makes sense.
pub(super) fn unreadable(source: impl Into<BoxError>) -> ClientError {
    let message = "its answer cannot be read".to_owned();
    ClientError::new(ClientErrorKind::Remote { message }).with_source(source)
}

/// The answer of a server that did not do what a [`RemoteClient`](super::RemoteClient) asked of it: a source of the client's
/// error.
///
/// ```no_run
/// use durable_core::client::ClientError;
/// use durable_http::RemoteAnswer;
///
/// fn has_wrong_key(error: &ClientError) -> bool {
///     let answer = std::error::Error::source(error).and_then(|source| source.downcast_ref::<RemoteAnswer>());
///     answer.is_some_and(RemoteAnswer::is_unauthorized)
/// }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteAnswer {
    status: StatusCode,
    explanation: Option<String>,
}

impl RemoteAnswer {
    /// The status code of HTTP.
    #[must_use]
    pub fn status(&self) -> u16 {
        self.status.as_u16()
    }

    /// True when the key is wrong or missing, or does not permit what was asked: 401 and 403.
    #[must_use]
    pub fn is_unauthorized(&self) -> bool {
        matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN)
    }
}

impl fmt::Display for RemoteAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the answer was {}", self.status)?;
        match &self.explanation {
            Some(explanation) => write!(f, ": {explanation}"),
            None if self.is_unauthorized() => f.write_str(": the key is missing or wrong"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for RemoteAnswer {}
