//! Why a client call failed.

use std::error::Error;
use std::fmt;

use crate::model::{FunctionName, InstanceId, NameList, RuntimeStatus, Version, write_chain};

/// The error of a client call. Ask it with its predicates; the text is for people.
pub struct ClientError {
    kind: ClientErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// What a client call ran into.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClientErrorKind {
    /// No orchestrator has this name.
    UnknownOrchestrator {
        /// The name that was asked for.
        name: FunctionName,
        /// The names that are registered.
        known: Vec<FunctionName>,
    },
    /// The orchestrator has no such version.
    UnknownVersion {
        /// The orchestrator.
        name: FunctionName,
        /// The version that was asked for.
        version: Version,
        /// The versions that are registered.
        known: Vec<Version>,
    },
    /// The id belongs to an instance that may not be replaced.
    AlreadyExists {
        /// The id.
        id: InstanceId,
        /// The state of the existing instance.
        status: RuntimeStatus,
    },
    /// No instance has this id.
    NotFound {
        /// The id.
        id: InstanceId,
    },
    /// The instance is finished and takes no more messages.
    Finished {
        /// The id.
        id: InstanceId,
        /// Its final state.
        status: RuntimeStatus,
    },
    /// The instance is in a state in which it cannot do what was asked of it.
    WrongState {
        /// The id.
        id: InstanceId,
        /// Its state.
        status: RuntimeStatus,
        /// What it would have to be.
        needed: &'static str,
    },
    /// The failed instance cannot be rewound: its code would not do again what its history says.
    CannotRewind {
        /// The id of the instance that does not replay.
        id: InstanceId,
        /// Why.
        reason: String,
    },
    /// This client cannot do what was asked.
    Unsupported {
        /// What was asked.
        operation: &'static str,
    },
    /// An argument is not valid.
    InvalidArgument {
        /// What is wrong with it.
        message: String,
    },
    /// The hub is shutting down or gone.
    ShutDown,
    /// The store failed.
    Store,
    /// A remote end answered with an error, or not at all.
    Remote {
        /// What happened.
        message: String,
    },
}

impl ClientError {
    /// An error of this kind.
    #[must_use]
    pub fn new(kind: ClientErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error about an argument.
    #[must_use]
    pub fn invalid_argument(message: impl fmt::Display) -> Self {
        Self::new(ClientErrorKind::InvalidArgument { message: message.to_string() })
    }

    /// This error with a cause.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// What happened.
    #[must_use]
    pub fn kind(&self) -> &ClientErrorKind {
        &self.kind
    }

    /// True when no instance has the id.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind, ClientErrorKind::NotFound { .. })
    }

    /// True when the id is taken.
    #[must_use]
    pub fn is_already_exists(&self) -> bool {
        matches!(self.kind, ClientErrorKind::AlreadyExists { .. })
    }

    /// True when the instance is finished and takes no more messages.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        matches!(self.kind, ClientErrorKind::Finished { .. })
    }

    /// True when no orchestrator has the name.
    #[must_use]
    pub fn is_unknown_orchestrator(&self) -> bool {
        matches!(self.kind, ClientErrorKind::UnknownOrchestrator { .. })
    }

    /// True when the instance is in a state in which it cannot do what was asked of it.
    #[must_use]
    pub fn is_wrong_state(&self) -> bool {
        matches!(self.kind, ClientErrorKind::WrongState { .. })
    }

    /// True when a rewind was refused because the code does not fit the history.
    #[must_use]
    pub fn is_cannot_rewind(&self) -> bool {
        matches!(self.kind, ClientErrorKind::CannotRewind { .. })
    }

    /// True when this kind of client cannot do what was asked.
    #[must_use]
    pub fn is_unsupported(&self) -> bool {
        matches!(self.kind, ClientErrorKind::Unsupported { .. })
    }

    /// True when an argument was not valid.
    #[must_use]
    pub fn is_invalid_argument(&self) -> bool {
        matches!(self.kind, ClientErrorKind::InvalidArgument { .. })
    }

    /// True when the hub is shutting down.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        matches!(self.kind, ClientErrorKind::ShutDown)
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ClientErrorKind::UnknownOrchestrator { name, known } => {
                write!(f, "there is no orchestrator '{name}'; registered are: {}", NameList(known))
            }
            ClientErrorKind::UnknownVersion { name, version, known } => {
                let known: Vec<_> = known.iter().map(Version::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                write!(f, "orchestrator '{name}' has no version '{version}'; registered are: {known}")
            }
            ClientErrorKind::WrongState { id, status, needed } => {
                write!(f, "instance '{id}' is {status}, and would have to be {needed}")
            }
            ClientErrorKind::CannotRewind { id, reason } => {
                write!(f, "instance '{id}' cannot be rewound: {reason}")
            }
            ClientErrorKind::Unsupported { operation } => write!(f, "this client cannot {operation}"),
            ClientErrorKind::AlreadyExists { id, status } => {
                write!(f, "an instance '{id}' with the status {status} already exists")
            }
            ClientErrorKind::NotFound { id } => write!(f, "no instance with ID '{id}' was found"),
            ClientErrorKind::Finished { id, status } => {
                write!(f, "instance '{id}' is finished, its status is {status}")
            }
            ClientErrorKind::InvalidArgument { message } => f.write_str(message),
            ClientErrorKind::ShutDown => f.write_str("the task hub is shut down"),
            ClientErrorKind::Store => f.write_str("the store failed"),
            ClientErrorKind::Remote { message } => write!(f, "the remote task hub: {message}"),
        }
    }
}

impl fmt::Debug for ClientError {
    /// The text with all causes: what a program prints whose `main` returns the error.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_chain(f, self)
    }
}

impl Error for ClientError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as &(dyn Error + 'static))
    }
}

impl From<crate::model::InvalidInstanceId> for ClientError {
    fn from(error: crate::model::InvalidInstanceId) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<crate::model::InvalidName> for ClientError {
    fn from(error: crate::model::InvalidName) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<crate::model::InvalidVersion> for ClientError {
    fn from(error: crate::model::InvalidVersion) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<crate::model::InvalidTag> for ClientError {
    fn from(error: crate::model::InvalidTag) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<crate::model::LimitExceeded> for ClientError {
    fn from(error: crate::model::LimitExceeded) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<crate::model::InvalidPayload> for ClientError {
    fn from(error: crate::model::InvalidPayload) -> Self {
        Self::invalid_argument(&error).with_source(error)
    }
}

impl From<std::convert::Infallible> for ClientError {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}
