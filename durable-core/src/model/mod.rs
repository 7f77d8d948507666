//! The vocabulary of the whole crate: identifiers, payloads, times, states and failures.
//!
//! Everything here is parsed once, where it enters the program, and is valid from then on.

mod failure;
mod id;
mod id_reuse;
mod iso;
mod limits;
mod location;
mod name;
pub(crate) mod numbers;
mod payload;
mod retention;
mod status;
mod tags;
mod time;
mod trace;
mod version;

pub use self::failure::{EVENT_TIMEOUT_ERROR_TYPE, FailureDetails, PANIC_ERROR_TYPE, TIMEOUT_ERROR_TYPE, write_chain};
pub use self::id::{ExecutionId, InstanceId, InvalidInstanceId, TaskId};
pub use self::id_reuse::IdReusePolicy;
pub use self::limits::{Limit, LimitExceeded, Limits};
pub use self::location::SourceLocation;
pub(crate) use self::name::NameList;
pub use self::name::{EventName, FunctionName, InvalidName, TaskHubName};
pub use self::payload::{InvalidPayload, Payload};
pub use self::retention::Retention;
pub use self::status::{RuntimeStatus, UnknownRuntimeStatus};
pub use self::tags::{InvalidTag, Tags};
pub use self::time::Timestamp;
pub use self::trace::{InvalidTraceContext, TraceContext};
pub use self::version::{InvalidVersion, Version, VersionSet};
