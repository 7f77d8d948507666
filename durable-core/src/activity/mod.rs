//! Activities: the functions that touch the world.
//!
//! An activity runs at least once. It may run again after a crash between its last side effect and the commit of its
//! result; [`ActivityContext::idempotency_key`] is the same in each of these runs.

mod call;
mod context;
mod definition;
mod handler;
mod heartbeat;
mod state;

pub use self::call::{ActivityFn, ByName};
pub use self::context::{ActivityCallInfo, ActivityContext};
pub use self::definition::{ActivityDefinition, ActivityItem, blocking, without_threads};
pub use self::handler::ActivityHandler;
pub use self::heartbeat::{HeartbeatError, ProgressReporter};
pub use self::state::{MissingState, State, StateKey, StateMap};
