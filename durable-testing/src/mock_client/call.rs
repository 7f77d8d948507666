//! What a mock client was asked.

use std::fmt;
use std::time::Duration;

use durable_core::client::{ControlRequest, InstanceQuery, PurgeRequest, RestartRequest, StartRequest, WaitUntil};
use durable_core::model::{EventName, InstanceId, Payload};

/// One call of a [`DurableClient`](durable_core::client::DurableClient) with its arguments.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the arguments of the methods")]
pub enum Call {
    /// `start`
    Start(StartRequest),
    /// `status`
    Status { id: InstanceId },
    /// `wait`
    Wait { id: InstanceId, until: WaitUntil, timeout: Option<Duration> },
    /// `raise_event`
    RaiseEvent { id: InstanceId, name: EventName, payload: Payload },
    /// `terminate`
    Terminate { id: InstanceId, request: ControlRequest },
    /// `suspend`
    Suspend { id: InstanceId, request: ControlRequest },
    /// `resume`
    Resume { id: InstanceId, request: ControlRequest },
    /// `rewind`
    Rewind { id: InstanceId, reason: Option<String> },
    /// `restart`
    Restart { id: InstanceId, request: RestartRequest },
    /// `purge`
    Purge { id: InstanceId, request: PurgeRequest },
    /// `purge_page`
    PurgePage(InstanceQuery),
    /// `list`
    List(InstanceQuery),
    /// `count`
    Count(InstanceQuery),
    /// `activities`
    Activities { id: InstanceId },
    /// `history`
    History { id: InstanceId },
}

impl Call {
    /// The name of the method.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        match self {
            Self::Start(_) => "start",
            Self::Status { .. } => "status",
            Self::Wait { .. } => "wait",
            Self::RaiseEvent { .. } => "raise_event",
            Self::Terminate { .. } => "terminate",
            Self::Suspend { .. } => "suspend",
            Self::Resume { .. } => "resume",
            Self::Rewind { .. } => "rewind",
            Self::Restart { .. } => "restart",
            Self::Purge { .. } => "purge",
            Self::PurgePage(_) => "purge_page",
            Self::List(_) => "list",
            Self::Count(_) => "count",
            Self::Activities { .. } => "activities",
            Self::History { .. } => "history",
        }
    }

    /// The instance that is asked about; none for a start and for a query.
    #[must_use]
    pub const fn id(&self) -> Option<&InstanceId> {
        match self {
            Self::Start(_) | Self::PurgePage(_) | Self::List(_) | Self::Count(_) => None,
            Self::Status { id }
            | Self::Wait { id, .. }
            | Self::RaiseEvent { id, .. }
            | Self::Terminate { id, .. }
            | Self::Suspend { id, .. }
            | Self::Resume { id, .. }
            | Self::Rewind { id, .. }
            | Self::Restart { id, .. }
            | Self::Purge { id, .. }
            | Self::Activities { id }
            | Self::History { id } => Some(id),
        }
    }

    /// The reason of a termination, a pause, its end or a rewind.
    pub(super) fn reason(&self) -> Option<&str> {
        match self {
            Self::Terminate { request, .. } | Self::Suspend { request, .. } | Self::Resume { request, .. } => {
                request.reason.as_deref()
            }
            Self::Rewind { reason, .. } => reason.as_deref(),
            _ => None,
        }
    }

    /// True when the orchestrations below are meant too.
    pub(super) const fn is_recursive(&self) -> bool {
        match self {
            Self::Terminate { request, .. } | Self::Suspend { request, .. } | Self::Resume { request, .. } => {
                request.recursive
            }
            Self::Purge { request, .. } => request.recursive,
            _ => false,
        }
    }

    /// What is to be listed, counted or removed.
    pub(super) const fn query(&self) -> Option<&InstanceQuery> {
        match self {
            Self::PurgePage(query) | Self::List(query) | Self::Count(query) => Some(query),
            _ => None,
        }
    }
}

impl fmt::Display for Call {
    /// One line, as it stands in the messages of a mock.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operation())?;
        if let Some(id) = self.id() {
            write!(f, " '{id}'")?;
        }
        match self {
            Self::Start(request) => start(f, request)?,
            Self::Wait { until, timeout, .. } => {
                write!(f, " until {until:?}")?;
                match timeout {
                    Some(timeout) => write!(f, " for {timeout:?}")?,
                    None => f.write_str(" for as long as it takes")?,
                }
            }
            Self::RaiseEvent { name, payload, .. } => write!(f, " '{name}' with the payload {payload}")?,
            Self::Restart { request, .. } => {
                f.write_str(if request.new_id { " under a new id" } else { " under its own id" })?;
            }
            Self::Purge { request, .. } if request.force => f.write_str(" by force")?,
            Self::PurgePage(query) | Self::List(query) | Self::Count(query) => write!(f, " {query:?}")?,
            _ => {}
        }
        if self.is_recursive() {
            f.write_str(" with all below it")?;
        }
        match self.reason() {
            Some(reason) => write!(f, " because {reason:?}"),
            None => Ok(()),
        }
    }
}

fn start(f: &mut fmt::Formatter<'_>, request: &StartRequest) -> fmt::Result {
    write!(f, " of '{}'", request.name)?;
    if let Some(id) = &request.id {
        write!(f, " as '{id}'")?;
    }
    if let Some(version) = &request.version {
        write!(f, " in version '{}'", version.as_str())?;
    }
    write!(f, " with the input {}", request.input)?;
    for (key, value) in request.tags.iter() {
        write!(f, ", tagged {key}={value}")?;
    }
    Ok(())
}
