//! Orchestrators: what their code may do.
//!
//! # Determinism
//!
//! An orchestrator's code runs again from its start whenever its instance is brought back into memory, against the
//! history of what happened before. It must make the same calls in the same order each time. Take time from
//! [`OrchestrationContext::now`], ids from [`OrchestrationContext::new_guid`], random numbers from
//! [`OrchestrationContext::rng`], and do everything that touches the world in activities.
//!
//! Ordinary `async` code is fine, with helper functions and `async` blocks. Results come in the order of the history, in
//! every replay.
//!
//! # Waiting for several futures
//!
//! | you want | use |
//! | --- | --- |
//! | the first of several | [`select!`](crate::select!); of many, [`when_any`] |
//! | all of several | [`join!`](crate::join!), or [`try_join!`](crate::try_join!), which the first failure ends |
//! | all of many | `try_join_all`, which the first failure ends; [`when_all`], which waits for the others |
//! | all of many, a few at a time | [`ctx.map(..).concurrency(..)`](OrchestrationContext::map) |
//! | a deadline | [`select!`](crate::select!) with [`ctx.create_timer(..)`](OrchestrationContext::create_timer) |
//!
//! Those of the `futures` crate are safe too: `join_all`, `try_join_all`, `join!`, `try_join!`, `FuturesUnordered`,
//! `FuturesOrdered`, `futures::future::select` and `select_biased!`; and so is what looks at its futures in a fixed order
//! or when they are woken. Not safe are `futures::select!`, and `tokio::select!` without `biased;`: of several
//! branches that are done they pick one at random, another one in each replay. `#[orchestrator]` refuses them where they
//! are written with their crate's name; do not import them.

mod activity;
mod child;
pub(crate) mod combine;
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
pub use self::combine::{Map, Settle, WhenAll, WhenAny, when_all, when_any};
pub use self::context::OrchestrationContext;
pub use self::definition::{ByName, OrchestratorDefinition, OrchestratorFn, OrchestratorItem};
#[doc(hidden)]
pub use self::next::SameInput;
pub use self::next::{ContinueAsNew, Next};
pub use self::retry::{RetryContext, RetryPolicy};
pub use self::start::StartedOrchestration;
pub use self::timer::Timer;
pub use self::wait::EventWait;
