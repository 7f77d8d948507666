//! Histories of real runs, replayed against today's code: what breaks instances that are still alive is found before a
//! deployment.
//!
//! A [`RecordedHistory`] is the history of one execution in a file. It is taken from any client, a
//! [`World`](crate::World) or what the HTTP API answers, made safe to keep with a [`Redaction`], and
//! [replayed](RecordedHistory::replay). [`replay_tests!`](crate::replay_tests) makes one test of each file in a folder, and
//! [`check_live`] replays every live instance of a hub, without recording it.
//!
//! ```
//! use durable_core::prelude::*;
//! use durable_testing::World;
//!
//! #[activity]
//! async fn charge(amount: u64) -> u64 { amount }
//! #[activity]
//! async fn audit(amount: u64) -> u64 { amount }
//!
//! #[orchestrator]
//! async fn order(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
//!     ctx.call_activity(charge, amount).await
//! }
//!
//! /// The same with a call more: no instance that has begun with `order` can go on with it.
//! #[orchestrator(name = "order")]
//! async fn audited(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
//!     ctx.call_activity(audit, amount).await?;
//!     ctx.call_activity(charge, amount).await
//! }
//!
//! let world = World::builder().orchestrator(order).activity(charge).build();
//! let run = world.start(order, 5);
//! let recorded = world.record(&run);
//!
//! recorded.replay(order).unwrap();
//! let report = recorded.replay(audited).unwrap_err();
//! assert_eq!(report.turn(), Some(1));
//! assert_eq!(report.recorded().unwrap().what, "activity 'charge' with input 5");
//! assert_eq!(report.produced().unwrap().what, "activity 'audit' with input 5");
//! assert!(report.produced().unwrap().source.as_ref().unwrap().to_string().contains(".rs:"));
//! ```
//!
//! # What a replay does not see
//!
//! A history holds what the code did and what reached it, not what it waits for. When an instance waits for the event `Paid`
//! and the new code for `Payment`, its history fits both. It differs as soon as `Paid` has come and something was done about
//! it. So record finished instances as well as live ones.
//!
//! # The file
//!
//! It is JSON, with one line for each event, so that a difference between two of them can be read:
//!
//! ```json
//! {
//!   "format": "durable-history",
//!   "version": 1,
//!   "instance": "order-7",
//!   "orchestrator": "order",
//!   "events": [
//!     {"eventId":-1,"timestamp":"2024-05-01T12:00:00Z","eventType":"OrchestratorStarted"},
//!     ..
//!   ]
//! }
//! ```
//!
//! * `version` grows when an older reader would misread a file. A reader refuses versions that it does not know.
//! * `instance` and `orchestrator` are for people. What counts is the `header` of the event `ExecutionStarted`, which has
//!   everything that the execution was started with.
//! * `events` are [`HistoryEvent`](durable_core::history::HistoryEvent)s in order. `OrchestratorStarted`, whose time is the
//!   orchestrator's "now", and `OrchestratorCompleted` enclose each turn. Turns are counted from 1 within the execution, in
//!   reports as well.
//!
//! The bare array of events, as `GET /instances/{id}/history` answers, can be read too.

mod code;
mod error;
mod file;
mod history;
mod live;
mod mend;
mod of_world;
mod place;
mod redact;
mod replay;
mod report;
mod tests_of_files;
mod turns;

pub use self::code::Deployment;
pub use self::error::{RecordingError, RecordingErrorKind};
pub use self::history::RecordedHistory;
pub use self::live::{LiveCheck, LiveInstance, Verdict, check_live};
pub use self::place::{Place, PlaceKind};
pub use self::redact::Redaction;
pub use self::report::ReplayReport;
#[doc(hidden)]
pub use self::tests_of_files::{check_recorded, check_unknown};
