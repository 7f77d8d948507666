//! The names that a file of orchestrators and activities needs.
//!
//! ```
//! use durable_core::prelude::*;
//! ```

#[doc(no_inline)]
pub use futures_util::future::{Either, join, join_all, select, try_join, try_join_all};

#[doc(no_inline)]
pub use durable_macros::{Failure, activity, orchestrator};

#[doc(no_inline)]
pub use crate::{
    activity::{ActivityContext, State},
    backend::memory::Memory,
    client::Client,
    failure::{ActivityError, Failure, OrchestratorError},
    hub::TaskHub,
    model::{InstanceId, RuntimeStatus},
    orchestration::{ContinueAsNew, Next, OrchestrationContext, RetryContext, RetryPolicy},
};

#[cfg(feature = "sqlite")]
#[doc(no_inline)]
pub use crate::backend::sqlite::Sqlite;
