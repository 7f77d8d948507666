//! Why a world cannot begin somewhere in a history.

use std::error::Error;
use std::fmt;

use durable_core::model::{FunctionName, InstanceId};
use durable_core::replay::ReplayFault;

/// Why a world cannot begin at a point of a history. As `Debug` it is a text with its cause, so that an `unwrap` in a test tells
/// it.
pub struct TravelError(Kind);

#[derive(Debug)]
pub(super) enum Kind {
    NoStart,
    OpenChild {
        parent: InstanceId,
        child: InstanceId,
        name: FunctionName,
        /// There is a history of a later execution of it.
        is_later: bool,
    },
    NoCode(FunctionName),
    OtherCode(InstanceId, ReplayFault),
    NotYet,
}

impl TravelError {
    /// A child is under way at this point whose history is not known: it is to be given, or the child is to be mocked.
    #[must_use]
    pub fn is_open_child(&self) -> bool {
        matches!(self.0, Kind::OpenChild { .. })
    }

    /// The world's code does something else than the history says. The [`source`](Error::source) is the
    /// [`ReplayFault`], which names the first difference.
    #[must_use]
    pub fn is_other_code(&self) -> bool {
        matches!(self.0, Kind::OtherCode(..))
    }

    /// The world has no such orchestrator, or not in this version.
    #[must_use]
    pub fn is_unknown_orchestrator(&self) -> bool {
        matches!(self.0, Kind::NoCode(_))
    }

    /// The history does not contain the start of an execution.
    #[must_use]
    pub fn is_no_history(&self) -> bool {
        matches!(self.0, Kind::NoStart)
    }

    /// The world had not begun at this time.
    #[must_use]
    pub fn is_before_the_world(&self) -> bool {
        matches!(self.0, Kind::NotYet)
    }
}

impl From<Kind> for TravelError {
    fn from(kind: Kind) -> Self {
        Self(kind)
    }
}

impl fmt::Display for TravelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::NoStart => f.write_str("the history does not contain the start of an execution"),
            Kind::OpenChild { parent, child, name, is_later } => {
                write!(f, "'{parent}' waits for its child '{child}' ({name}) at this point, and ")?;
                if *is_later {
                    f.write_str(
                        "the history of the child that was given begins later, after it has continued as new: ",
                    )?;
                } else {
                    f.write_str("there is no history of the child: give it to `from_histories` as well, or ")?;
                }
                write!(f, "let a mock stand in for it with `mocked_orchestrator({name})`")
            }
            Kind::NoCode(name) => write!(f, "the world has no orchestrator '{name}' in the version of the history"),
            Kind::OtherCode(instance, _) => {
                write!(f, "the code of this world does not fit the history of '{instance}'")
            }
            Kind::NotYet => f.write_str("the world had not begun at this time"),
        }
    }
}

impl fmt::Debug for TravelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)?;
        match self.source() {
            Some(cause) => write!(f, ": {cause}"),
            None => Ok(()),
        }
    }
}

impl Error for TravelError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.0 {
            Kind::OtherCode(_, fault) => Some(fault),
            _ => None,
        }
    }
}
