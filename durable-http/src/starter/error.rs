//! The error of a starter, as a response.

use std::error::Error;
use std::fmt;

use durable_core::client::ClientError;
use http::{Response, StatusCode};

use crate::body::{Body, BoxError};
use crate::error_json::{Refusal, short};

/// Why a starter gives no answer of its own. `?` makes one of any error.
///
/// A [`ClientError`] is answered as the management API answers it: 409 for an id that is taken, 400 for an unknown
/// orchestrator, and so on. Any other error is a 500 with an error object: its text is shown, and its causes are only logged.
///
/// ```
/// use durable_http::HttpError;
/// use http::StatusCode;
///
/// fn age(text: &str) -> Result<u8, HttpError> {
///     let age = text.parse()?;
///     if age > 130 {
///         return Err(HttpError::bad_request("nobody is that old"));
///     }
///     Ok(age)
/// }
///
/// assert_eq!(age("131").unwrap_err().into_response().status(), StatusCode::BAD_REQUEST);
/// assert_eq!(age("x").unwrap_err().into_response().status(), StatusCode::INTERNAL_SERVER_ERROR);
/// ```
///
/// It does not implement [`Error`] itself, so that `?` takes every error that does. `?` makes a boxed error of it where a test
/// returns one.
pub struct HttpError(Box<Kind>);

enum Kind {
    Said(StatusCode, String),
    Refused(Refusal),
    Other(BoxError),
}

impl HttpError {
    /// A response of this code, with `{"Message": message}` as its body.
    #[must_use]
    pub fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self(Box::new(Kind::Said(status, message.into())))
    }

    /// A 400 with `{"Message": message}` as its body.
    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    pub(crate) fn refused(refusal: Refusal) -> Self {
        Self(Box::new(Kind::Refused(refusal)))
    }

    /// The response that says so.
    #[must_use]
    pub fn into_response(self) -> Response<Body> {
        match *self.0 {
            Kind::Said(status, message) => short(status, &message),
            Kind::Refused(refusal) => refusal.into_response(),
            Kind::Other(error) => Refusal::InvalidOperation(error.to_string()).into_response(),
        }
    }

    fn cause(&self) -> Option<&(dyn Error + 'static)> {
        match &*self.0 {
            Kind::Said(..) => None,
            Kind::Refused(refusal) => refusal.source(),
            Kind::Other(error) => error.source(),
        }
    }

    /// Logs with its causes what is not the fault of the caller.
    pub(super) fn log(&self, starter: &str) {
        if let Kind::Other(error) = &*self.0 {
            tracing::error!(starter, error = &**error as &dyn Error, "an HTTP starter failed");
        }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for HttpError {
    fn from(error: E) -> Self {
        let error: BoxError = Box::new(error);
        Self(Box::new(match error.downcast::<ClientError>() {
            Ok(error) => Kind::Refused(Refusal::Client(*error)),
            Err(error) => Kind::Other(error),
        }))
    }
}

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Said(_, message) => f.write_str(message),
            Kind::Refused(refusal) => fmt::Display::fmt(refusal, f),
            Kind::Other(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl fmt::Debug for HttpError {
    /// The text with all causes: what a test prints whose `unwrap` fails.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        let mut cause = self.cause();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

/// An [`HttpError`] among other errors.
#[derive(Debug)]
struct AsError(HttpError);

impl fmt::Display for AsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for AsError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.cause()
    }
}

impl From<HttpError> for Box<dyn Error + Send + Sync> {
    fn from(error: HttpError) -> Self {
        Box::new(AsError(error))
    }
}

impl From<HttpError> for Box<dyn Error> {
    fn from(error: HttpError) -> Self {
        Box::new(AsError(error))
    }
}
