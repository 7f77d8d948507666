//! The code that histories are replayed against.

use std::fmt;

use durable_core::hub::{HubCode, StartError, TaskHubBuilder};
use durable_core::model::Limits;
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};
use durable_core::registry::Registry;
use durable_core::replay::EventOrder;

use crate::or_fail::OrFail as _;

/// The orchestrators of a deployment, with the settings of its hub on which a replay depends.
///
/// A history is replayed against the orchestrator that a hub would take: the one of its name and version, or the only one of
/// its name when that has no version.
#[derive(Clone, Default)]
pub struct Deployment {
    pub(super) registry: Registry,
    pub(super) limits: Limits,
    pub(super) event_order: EventOrder,
}

impl Deployment {
    /// A deployment without any orchestrators.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The code of a hub that is described and not started: with its limits, its order of events and what it finds by
    /// annotation. So the function that describes the hub of production describes what is checked as well.
    ///
    /// ```
    /// use durable_core::hub::TaskHubBuilder;
    /// use durable_core::prelude::*;
    /// use durable_testing::recorded::Deployment;
    ///
    /// # #[orchestrator]
    /// # async fn order(_ctx: OrchestrationContext) -> Result<(), OrchestratorError> { Ok(()) }
    /// fn hub() -> TaskHubBuilder {
    ///     TaskHub::builder().orchestrator(order)
    /// }
    ///
    /// let deployment = Deployment::of_hub(hub())?;
    /// # Ok::<_, durable_core::hub::StartError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// What is wrong with its functions.
    pub fn of_hub(hub: TaskHubBuilder) -> Result<Self, StartError> {
        let HubCode { registry, limits, event_order, .. } = hub.into_code()?;
        Ok(Self { registry, limits, event_order })
    }

    /// Adds an orchestrator, in its version.
    ///
    /// # Panics
    ///
    /// When there is one of this name and version.
    #[must_use]
    #[track_caller]
    pub fn orchestrator<M, F: OrchestratorItem<M>>(self, _orchestrator: F) -> Self {
        self.definition::<F::Definition>()
    }

    #[track_caller]
    pub(super) fn definition<D: OrchestratorDefinition>(mut self) -> Self {
        self.registry.add_orchestrator::<D>().or_fail(|error| error.to_string());
        self
    }

    /// The limits that the hub has, where they are not the default.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The order among waits for one event that the hub has, where it is not the default.
    #[must_use]
    pub fn event_order(mut self, order: EventOrder) -> Self {
        self.event_order = order;
        self
    }
}

impl From<Registry> for Deployment {
    fn from(registry: Registry) -> Self {
        Self { registry, ..Self::default() }
    }
}

impl fmt::Debug for Deployment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deployment").field("orchestrators", &self.registry.orchestrator_names()).finish_non_exhaustive()
    }
}
