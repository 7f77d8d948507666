//! The vocabulary of the whole crate: identifiers, payloads, times, states and failures.
//!
//! Everything here is parsed once, where it enters the program, and is valid from then on.

mod failure;
mod id;
mod location;
mod name;
mod payload;
mod status;
mod time;
mod trace;

pub use self::failure::{FailureDetails, PANIC_ERROR_TYPE, write_chain};
pub use self::id::{ExecutionId, InstanceId, InvalidInstanceId, TaskId};
pub use self::location::SourceLocation;
pub(crate) use self::name::NameList;
pub use self::name::{EventName, FunctionName, InvalidName, TaskHubName};
pub use self::payload::{InvalidPayload, Payload};
pub use self::status::{RuntimeStatus, UnknownRuntimeStatus};
pub use self::time::Timestamp;
pub use self::trace::{InvalidTraceContext, TraceContext};
