//! The code that histories are replayed against.

use std::fmt;

use durable_core::model::Limits;
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};
use durable_core::registry::Registry;
use durable_core::replay::EventOrder;

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

    /// Every annotated orchestrator that is linked into the program.
    ///
    /// # Panics
    ///
    /// When two of them have the same name and version.
    #[must_use]
    pub fn discover() -> Self {
        let mut registry = Registry::default();
        let errors: Vec<_> = registry.discover().iter().map(ToString::to_string).collect();
        assert!(errors.is_empty(), "{}", errors.join("\n"));
        registry.into()
    }

    /// Adds an orchestrator, in its version.
    ///
    /// # Panics
    ///
    /// When there is one of this name and version.
    #[must_use]
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "the function is named, and the definition is its type")]
    pub fn orchestrator<M, F: OrchestratorItem<M>>(self, _orchestrator: F) -> Self {
        self.definition::<F::Definition>()
    }

    #[track_caller]
    pub(super) fn definition<D: OrchestratorDefinition>(mut self) -> Self {
        self.registry.add_orchestrator::<D>().unwrap_or_else(|error| panic!("{error}"));
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
