//! Orchestrators: what their code may do.
//!
//! # Determinism
//!
//! An orchestrator's code runs again from its start whenever its instance is brought back into memory, against the
//! history of what happened before. It must make the same calls in the same order each time. Take time from
//! [`OrchestrationContext::now`], ids from [`OrchestrationContext::new_guid`], random numbers from
//! [`OrchestrationContext::rng`], and do everything that touches the world in activities.
//!
//! Ordinary `async` code is fine: helper functions, `async` blocks, `join_all`, `FuturesUnordered`,
//! `futures::future::select`, `select_biased!`. Results come in the order of the history, in every replay.

mod activity;
mod child;
mod context;
mod definition;
mod hold;
mod next;
mod retry;
mod start;
mod timer;
mod wait;

pub use self::activity::ActivityCall;
pub use self::child::{ChildByName, SubOrchestrationCall, SubOrchestratorFn};
pub use self::context::OrchestrationContext;
pub use self::definition::{ByName, OrchestratorDefinition, OrchestratorFn, OrchestratorItem};
pub use self::next::{ContinueAsNew, Next};
pub use self::retry::{RetryContext, RetryPolicy};
pub use self::start::StartedOrchestration;
pub use self::timer::Timer;
pub use self::wait::EventWait;
