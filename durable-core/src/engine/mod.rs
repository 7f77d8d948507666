//! The local engine: it owns the state of instances and gives out work.
//!
//! [`WorkSource`] is the seam between the programming model and an engine. A worker takes turns and activities from it
//! and gives back outcomes, by lease. [`LocalEngine`] is the source that runs in the worker's own process over a
//! [`Backend`](crate::backend::Backend); a remote one can stand in its place.
//!
//! The unit of everything is the turn. Its outcome goes through the pure function `apply` into one write, and nothing
//! leaves the engine, no activity, no answer, before that write is durable:
//!
//! - an instance has at most one turn uncommitted; turns of different instances share a flush;
//! - the result of an activity that ran here goes straight to the instance in memory, and is stored by the turn that
//!   consumes it. Its row stays until then, so that a crash runs it again;
//! - nothing polls: the store tells what happened when it is asked to do something, and timers wake their task;
//! - in a store that several workers share, each owns instances by a lease that its heartbeats prolong. Others are told of what
//!   concerns them, and find by their heartbeats what they were not told.

mod activities;
mod apply;
mod aside;
mod budget;
mod catalogue;
mod client;
mod clock;
mod control;
mod create;
mod dispatch;
mod entry;
mod group;
mod heartbeat;
mod ids;
mod instances;
mod lifecycle;
mod loads;
mod local;
mod message;
mod notices;
mod options;
mod ownership;
mod purge;
mod retention;
mod retrace;
mod rewind;
mod sharing;
mod source;
mod stored;
mod suspects;
mod timers;
mod waiters;

pub(crate) use self::budget::without_budget;
pub use self::clock::{Clock, SystemClock};
pub use self::ids::{IdSource, UniqueIds};
pub use self::local::LocalEngine;
pub use self::options::EngineOptions;
pub use self::retrace::Retrace;
pub use self::source::{
    ActivityLease, ActivityWork, Rehearsal, SourceError, TurnLease, TurnTold, TurnWork, WorkOffer, WorkSource,
};
