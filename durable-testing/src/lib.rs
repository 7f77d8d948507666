//! Tools to test durable orchestrations and the backends that store them.
//!
//! * [`World`] is a task hub on virtual time: the real engine, mocked or real activities, and a clock that the test moves.
//! * [`Script`] runs an orchestrator on the replay core alone, event by event, and replays it after every turn.
//! * [`VirtualClock`] is the time of a hub under test; it moves only when it is told to; [`RuntimeClock`] goes with
//!   a paused tokio runtime.
//! * [`MockClient`] stands for the hub in tests of code that takes a client: it answers what it is told to.
//! * [`recorded`] replays histories of real runs against today's code, from files or from a live hub.
//! * [`conformance`] checks any [`Backend`](durable_core::backend::Backend) against the rules that the engine relies on.
//! * [`fleet`] has several workers on one store, which can die, stand still or be shut down one by one.
//! * [`faults`] makes the commits of a backend fail on demand, before or after they happen.
//!
//! The feature `sqlite` has worlds on SQLite files, the feature `postgres-server` has `PostgresServer`, which starts a server for
//! the time of a test.

mod clock;
pub mod conformance;
pub mod events;
pub mod faults;
pub mod fleet;
pub mod mock_client;
mod or_fail;
#[cfg(feature = "postgres-server")]
mod postgres_server;
pub mod recorded;
mod script;
mod store;
pub mod world;

#[doc = include_str!("docs/replay_tests.md")]
pub use durable_macros::replay_tests;

pub use self::clock::{RuntimeClock, VirtualClock};
pub use self::mock_client::MockClient;
#[cfg(feature = "postgres-server")]
pub use self::postgres_server::{PostgresServer, PostgresServerOptions};
pub use self::script::Script;
pub use self::world::World;
