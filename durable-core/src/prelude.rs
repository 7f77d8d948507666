//! The names that a file of orchestrators and activities needs.
//!
//! ```
//! use durable_core::prelude::*;
//! ```

#[doc(no_inline)]
pub use futures_util::future::{Either, join, join_all, select, try_join, try_join_all};

#[doc(no_inline)]
pub use durable_macros::{Failure, activity, durable, orchestrator};

// Functions and macros have names of their own: `select(a, b)` is that of `futures`, `select! { .. }` is ours.
#[doc(no_inline)]
pub use crate::{join, select, try_join};

#[doc(no_inline)]
pub use crate::{
    activity::{ActivityContext, State},
    backend::memory::Memory,
    client::{Client, InstanceQuery},
    failure::{ActivityError, Failure, OrchestratorError},
    hub::TaskHub,
    model::{IdReusePolicy, InstanceId, RuntimeStatus, Timestamp},
    orchestration::{ContinueAsNew, Next, OrchestrationContext, RetryContext, RetryPolicy, when_all, when_any},
};

#[cfg(feature = "postgres")]
#[doc(no_inline)]
pub use crate::backend::postgres::Postgres;

#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use crate::backend::sqlite::Sqlite;
