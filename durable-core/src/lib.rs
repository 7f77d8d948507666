#![doc = include_str!("docs/crate.md")]

pub mod activity;
pub mod backend;
pub mod client;
pub mod config;
pub mod engine;
pub mod failure;
pub mod history;
pub mod hub;
pub mod model;
pub mod orchestration;
pub mod prelude;
pub mod registry;
pub mod replay;
pub mod telemetry;
pub mod worker;

#[doc = include_str!("docs/failure.md")]
pub use durable_macros::Failure;
#[doc = include_str!("docs/activity.md")]
pub use durable_macros::activity;
#[doc = include_str!("docs/durable.md")]
pub use durable_macros::durable;
#[doc = include_str!("docs/orchestrator.md")]
pub use durable_macros::orchestrator;

/// A boxed future that can be sent between threads.
pub type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

#[doc = include_str!("docs/performance.md")]
pub mod performance {}

/// What the generated code of the macros names. Not part of the public interface.
#[doc(hidden)]
pub mod __private {
    pub use crate::__discover as discover;
    pub use crate::BoxFuture;
    pub use crate::activity::{ActivityContext, ActivityDefinition, State, StateKey, blocking};
    pub use crate::failure::{Failure, IntoFailure, ReturnedResult};
    pub use crate::model::FailureDetails;
    pub use crate::orchestration::combine::{awaited, awaited_result, race};
    pub use crate::orchestration::{Next, OrchestrationContext, OrchestratorDefinition, SameInput};
    pub use crate::registry::Discovered;
    pub use futures_util::future::{Either, join, try_join};
    pub use inventory;
    pub use serde::de::DeserializeOwned;
    pub use serde::{Deserialize, Serialize};
    pub use std::convert::Infallible;
    pub use std::future::pending;
    pub use std::pin::pin;
}
