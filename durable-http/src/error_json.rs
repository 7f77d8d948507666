//! What a request is refused with, and the error objects on the wire.

use durable_core::client::{ClientError, ClientErrorKind};
use durable_core::model::{FunctionName, RuntimeStatus};
use http::{Response, StatusCode};
use serde::Serialize;

use crate::body::{Body, BoxError, empty, json};
use crate::outage;

const BAD_ARGUMENT: &str = "One or more of the arguments submitted is incorrect";
const WENT_WRONG: &str = "Something went wrong while processing your request";
const INVALID_JSON: &str = "Invalid JSON content";
const NOTHING_TO_RESTART: &str = "InstanceId does not match a valid orchestration instance.";
const STILL_LIVE: &str = "A non-terminal instance with this instance ID already exists.";

/// Why a request gets no answer of its own.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("no such resource")]
    NotFound,
    #[error("the instance is finished")]
    Gone,
    #[error("there is no key, or a wrong one")]
    Unauthorized,
    #[error("the server is read-only")]
    ReadOnly,
    #[error("the request comes from a page of another web site")]
    OtherSite,
    #[error("only application/json is supported")]
    MediaType,
    #[error("invalid JSON")]
    InvalidJson(#[source] BoxError),
    #[error("the request body is larger than {max_bytes} bytes")]
    BodyTooLarge { max_bytes: usize },
    #[error("the request body did not come")]
    BodyTooSlow,
    #[error("the request body broke off")]
    BodyBroken(#[source] BoxError),
    #[error("{0}")]
    BadRequest(String),
    /// The body is a bare JSON string.
    #[error("{text}")]
    Text { status: StatusCode, text: String },
    #[error("{0}")]
    InvalidOperation(String),
    #[error("there is no instance '{id}' to restart")]
    NothingToRestart { id: String },
    #[error("the instance to restart is {status}")]
    StillLive { status: RuntimeStatus },
    #[error("{0}")]
    NotImplemented(String),
    #[error("a stored value is not JSON")]
    Unprintable(#[source] serde_json::Error),
    #[error(transparent)]
    Client(#[from] ClientError),
}

impl Refusal {
    /// The response that says so.
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::NotFound => empty(StatusCode::NOT_FOUND),
            Self::Gone => empty(StatusCode::GONE),
            Self::Unauthorized => empty(StatusCode::UNAUTHORIZED),
            Self::OtherSite => {
                short(StatusCode::FORBIDDEN, "This server has no key and takes no requests of other web sites.")
            }
            Self::ReadOnly => short(StatusCode::FORBIDDEN, "This server is read-only."),
            Self::MediaType => short(StatusCode::BAD_REQUEST, "Only application/json request content is supported"),
            Self::InvalidJson(error) => {
                let exception = Exception::new(error.to_string(), "Newtonsoft.Json.JsonReaderException");
                long(StatusCode::BAD_REQUEST, INVALID_JSON, &exception)
            }
            Self::BodyTooLarge { max_bytes } => {
                short(StatusCode::PAYLOAD_TOO_LARGE, &format!("The request body is larger than {max_bytes} bytes."))
            }
            Self::BodyTooSlow => short(StatusCode::REQUEST_TIMEOUT, "The request body did not come in time."),
            Self::BodyBroken(_) => short(StatusCode::BAD_REQUEST, "The request body broke off."),
            Self::BadRequest(message) => short(StatusCode::BAD_REQUEST, &message),
            Self::Text { status, text } => json(status, &text).unwrap_or_else(|_| empty(status)),
            Self::InvalidOperation(text) => {
                let exception = Exception::new(text, "System.InvalidOperationException");
                long(StatusCode::INTERNAL_SERVER_ERROR, WENT_WRONG, &exception)
            }
            Self::NothingToRestart { id } => {
                let exception =
                    Exception::new(format!("No instance with ID '{id}' was found."), "System.ArgumentException");
                long(StatusCode::BAD_REQUEST, NOTHING_TO_RESTART, &exception)
            }
            Self::StillLive { status } => {
                let exception = Exception::new(already_exists(status), "System.InvalidOperationException");
                long(StatusCode::CONFLICT, STILL_LIVE, &exception)
            }
            Self::NotImplemented(message) => {
                let exception = Exception::new(message.clone(), "System.NotImplementedException");
                long(StatusCode::NOT_IMPLEMENTED, &message, &exception)
            }
            Self::Unprintable(error) => {
                tracing::error!(%error, "a stored value is not JSON");
                let exception = Exception::new("A stored value is not JSON.".to_owned(), "System.Exception");
                long(StatusCode::INTERNAL_SERVER_ERROR, WENT_WRONG, &exception)
            }
            Self::Client(error) => client_error(&error),
        }
    }
}

fn client_error(error: &ClientError) -> Response<Body> {
    let invalid = |text| long(StatusCode::BAD_REQUEST, BAD_ARGUMENT, &Exception::new(text, "System.ArgumentException"));
    match error.kind() {
        ClientErrorKind::UnknownOrchestrator { name, known } => invalid(unknown_orchestrator(name.as_str(), known)),
        ClientErrorKind::UnknownVersion { .. } => invalid(error.to_string()),
        ClientErrorKind::InvalidArgument { message } => invalid(message.clone()),
        ClientErrorKind::AlreadyExists { status, .. } => short(StatusCode::CONFLICT, &already_exists(*status)),
        ClientErrorKind::NotFound { .. } => empty(StatusCode::NOT_FOUND),
        ClientErrorKind::Finished { .. } => empty(StatusCode::GONE),
        ClientErrorKind::WrongState { .. } | ClientErrorKind::CannotRewind { .. } => {
            Refusal::Text { status: StatusCode::PRECONDITION_FAILED, text: error.to_string() }.into_response()
        }
        ClientErrorKind::Unsupported { .. } => Refusal::NotImplemented(error.to_string()).into_response(),
        ClientErrorKind::ShutDown => {
            let exception = Exception::new(error.to_string(), "System.InvalidOperationException");
            long(StatusCode::SERVICE_UNAVAILABLE, WENT_WRONG, &exception)
        }
        _ => {
            // The causes name files and servers: they belong in the log, not in a response.
            outage::tell(error);
            let exception = Exception::new(error.to_string(), "System.Exception");
            long(StatusCode::INTERNAL_SERVER_ERROR, WENT_WRONG, &exception)
        }
    }
}

fn already_exists(status: RuntimeStatus) -> String {
    format!("An Orchestration instance with the status {status} already exists.")
}

/// The text of Durable Functions for a name that no orchestrator has.
pub(crate) fn unknown_orchestrator(name: &str, known: &[FunctionName]) -> String {
    let info = if known.is_empty() {
        "No orchestrator functions are currently registered!".to_owned()
    } else {
        let names: Vec<String> = known.iter().map(|name| format!("'{name}'")).collect();
        format!("The following are the known orchestrator functions: {}.", names.join(", "))
    };
    format!(
        "The function '{name}' doesn't exist, is disabled, or is not an orchestrator function. Additional info: {info}"
    )
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Short<'a> {
    message: &'a str,
}

/// Clients know the type names of .NET, so these are what we send. A stack trace is never shown.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Exception {
    exception_message: String,
    exception_type: &'static str,
    stack_trace: Option<&'static str>,
}

impl Exception {
    fn new(message: String, exception_type: &'static str) -> Self {
        Self { exception_message: message, exception_type, stack_trace: None }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Long<'a> {
    message: &'a str,
    #[serde(flatten)]
    exception: &'a Exception,
}

/// The short error object.
pub(crate) fn short(status: StatusCode, message: &str) -> Response<Body> {
    json(status, &Short { message }).unwrap_or_else(|_| empty(status))
}

fn long(status: StatusCode, message: &str, exception: &Exception) -> Response<Body> {
    json(status, &Long { message, exception }).unwrap_or_else(|_| empty(status))
}
