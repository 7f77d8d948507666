//! The replay core: history and new events in, actions out.
//!
//! Nothing here reads a clock, touches a store, spawns a task or knows a runtime. An [`Executor`] holds one
//! orchestrator's future. It is fed turns, and every turn yields a [`TurnOutcome`]; feeding it a recorded history first
//! brings it to where an earlier executor stood, and any difference is a [`ReplayFault`].
//!
//! Rules that everything else depends on:
//!
//! - sequence numbers are given out at the call, never at the first poll;
//! - one event is delivered, the code runs until it can go no further, then the next event is delivered, so that the
//!   borders between turns cannot change what the code sees;
//! - leaves store real wakers, so that any combinator works;
//! - work that the library does for the code, such as a retry, is a driver: a future that runs before the code at every
//!   delivery, whether or not anybody looks at its handle;
//! - code that waits for something else than a durable leaf is found in the turn where it does so.

mod drivers;
mod executor;
mod external;
mod fault;
mod guid;
mod handle;
mod leaf;
mod markers;
mod matching;
mod poll;
mod random;
mod silence;
mod state;
mod thread;
mod turn;
mod waker;

pub use self::executor::{Ended, Executor, Program};
pub use self::external::EventOrder;
pub use self::fault::{ForeignAwait, NonDeterminism, ReplayFault, Side};
pub(crate) use self::guid::digest;
pub use self::handle::ReplayHandle;
pub use self::leaf::{LeafId, LeafResult, Resolution};
pub use self::random::DurableRng;
pub use self::silence::is_replaying_here;
pub use self::state::Issued;
pub use self::turn::{TurnInput, TurnOutcome, Waits};
pub use self::waker::WakeHook;
