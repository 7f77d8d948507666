//! Tools to test durable orchestrations and the backends that store them.

mod clock;
pub mod events;
mod script;

pub use self::clock::VirtualClock;
pub use self::script::Script;
