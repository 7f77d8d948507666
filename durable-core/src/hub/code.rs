//! The code of a hub, without the hub.

use crate::model::Limits;
use crate::registry::Registry;
use crate::worker::EventOrder;

/// What of a hub's description decides how a history is replayed. See
/// [`TaskHubBuilder::into_code`](super::TaskHubBuilder::into_code).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HubCode {
    /// The functions, those that were found by their annotation included.
    pub registry: Registry,
    /// How large payloads and histories may become.
    pub limits: Limits,
    /// Which of several waits for the same event gets the next one.
    pub event_order: EventOrder,
}
