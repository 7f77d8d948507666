//! What else starts orchestrators: bindings, which the core carries and does not read.

use std::fmt;

use super::{Registry, RegistryError, erased};
use crate::model::{FunctionName, InvalidPayload, Payload, Version};
use crate::orchestration::OrchestratorDefinition;

type Fits = fn(&Payload) -> Result<(), InvalidPayload>;

/// An orchestrator that HTTP requests start, as `#[orchestrator(http = "...")]` says. An HTTP server that offers such
/// starters asks [`TaskHub::http_triggers`](crate::hub::TaskHub::http_triggers) for them.
#[derive(Clone)]
pub struct HttpTrigger {
    name: FunctionName,
    binding: &'static str,
    fits: Fits,
}

impl HttpTrigger {
    /// The orchestrator.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.name
    }

    /// The verb and the route: `POST hello/{id?}`.
    #[must_use]
    pub fn binding(&self) -> &str {
        self.binding
    }

    /// Says whether a payload is an input of the orchestrator, in the version that a new instance gets.
    ///
    /// # Errors
    ///
    /// [`InvalidPayload`] names the field that does not fit.
    pub fn check_input(&self, input: &Payload) -> Result<(), InvalidPayload> {
        (self.fits)(input)
    }
}

impl fmt::Debug for HttpTrigger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpTrigger").field("name", &self.name).field("binding", &self.binding).finish_non_exhaustive()
    }
}

/// How one version of an orchestrator may be started.
#[derive(Clone)]
pub(super) struct Entrance {
    version: Option<Version>,
    binding: Option<&'static str>,
    fits: Fits,
}

impl Entrance {
    pub(super) fn of<D: OrchestratorDefinition>(version: Option<Version>) -> Self {
        Self { version, binding: D::HTTP, fits: erased::fits::<D::Input> }
    }
}

impl Registry {
    /// The orchestrators with a binding, in alphabetical order. Those in several versions are there once, for the version
    /// that a new instance gets: `default` where there is code for it, and the highest elsewhere.
    ///
    /// # Errors
    ///
    /// Two versions of an orchestrator have different bindings.
    pub fn http_triggers(&self, default: Option<&Version>) -> Result<Vec<HttpTrigger>, RegistryError> {
        let mut triggers = Vec::new();
        for name in self.orchestrator_names() {
            let entrances = self.entrances.get(&name).map(Vec::as_slice).unwrap_or_default();
            let mut bindings = entrances.iter().filter_map(|entrance| entrance.binding);
            let Some(binding) = bindings.next() else { continue };
            if let Some(other) = bindings.find(|other| *other != binding) {
                return Err(RegistryError::TwoBindings { name, bindings: [binding, other] });
            }
            let in_default =
                entrances.iter().find(|entrance| default.is_some() && entrance.version.as_ref() == default);
            let highest = || entrances.iter().max_by(|a, b| a.version.cmp(&b.version));
            if let Some(&Entrance { fits, .. }) = in_default.or_else(highest) {
                triggers.push(HttpTrigger { name, binding, fits });
            }
        }
        Ok(triggers)
    }
}
