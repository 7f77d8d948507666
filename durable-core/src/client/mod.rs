//! Starting instances and asking for them.
//!
//! [`DurableClient`] is the boundary: a trait object over raw JSON that the local hub, a test or a remote client
//! implements. [`Client`] wraps any of them with typed methods.

mod durable_client;
mod error;
mod handle;
mod query;
mod start;
mod typed;

pub use self::durable_client::DurableClient;
pub use self::error::{ClientError, ClientErrorKind};
pub use self::handle::InstanceHandle;
pub use self::query::{InstancePage, InstanceQuery, InstanceStatus};
pub use self::start::{Start, StartRequest};
pub use self::typed::Client;
