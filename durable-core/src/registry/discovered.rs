//! Functions that are found by their annotation.

use super::{Registry, RegistryError};
use crate::activity::ActivityDefinition;
use crate::orchestration::OrchestratorDefinition;

/// One annotated function of the program, as the macros hand it in.
#[derive(Debug)]
pub struct Discovered {
    add: fn(&mut Registry) -> Result<(), RegistryError>,
}

inventory::collect!(Discovered);

impl Discovered {
    /// An orchestrator.
    #[must_use]
    pub const fn orchestrator<D: OrchestratorDefinition>() -> Self {
        Self { add: Registry::discover_orchestrator::<D> }
    }

    /// An activity.
    #[must_use]
    pub const fn activity<D: ActivityDefinition>() -> Self {
        Self { add: Registry::discover_activity::<D> }
    }
}

impl Registry {
    /// Adds every annotated function that is linked into the program and is not there yet, and gives what stood in the way
    /// of the others.
    pub fn discover(&mut self) -> Vec<RegistryError> {
        let found = inventory::iter::<Discovered>.into_iter();
        let mut errors: Vec<_> = found.filter_map(|function| (function.add)(self).err()).collect();
        // The linker's order says nothing to people.
        errors.sort_by_key(ToString::to_string);
        errors
    }

    fn discover_orchestrator<D: OrchestratorDefinition>(&mut self) -> Result<(), RegistryError> {
        if self.has_definition::<D>() { Ok(()) } else { self.add_orchestrator::<D>() }
    }

    fn discover_activity<D: ActivityDefinition>(&mut self) -> Result<(), RegistryError> {
        if self.has_definition::<D>() { Ok(()) } else { self.add_activity::<D>() }
    }
}

/// Hands a definition in. The macros emit it; the crates of users need no dependency for it.
#[doc(hidden)]
#[macro_export]
macro_rules! __discover {
    ($kind:ident $definition:ty) => {
        $crate::__private::inventory::submit! { $crate::__private::Discovered::$kind::<$definition>() }
    };
}
