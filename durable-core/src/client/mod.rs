//! Starting instances and asking for them.
//!
//! [`DurableClient`] is the boundary: a trait object over raw JSON that the local hub, a test or a remote client
//! implements. [`Client`] wraps any of them with typed methods.

mod control;
mod durable_client;
mod error;
mod handle;
mod query;
mod start;
mod typed;

pub use self::control::{Control, ControlRequest, Purge, PurgePage, PurgeRequest, PurgeWhere, Restart, RestartRequest};
pub use self::durable_client::{DurableClient, WaitUntil};
pub use self::error::{ClientError, ClientErrorKind};
pub use self::handle::InstanceHandle;
pub use self::query::{InstanceCount, InstancePage, InstanceQuery, InstanceStatus, PendingActivity, VersionUse};
pub use self::start::{Start, StartRequest};
pub use self::typed::Client;
