//! The functions that a hub can run, by name.

mod erased;

use std::collections::HashMap;
use std::fmt;

use crate::activity::{ActivityDefinition, ActivityHandler, StateKey};
use crate::model::{FunctionName, InvalidName};
use crate::orchestration::OrchestratorDefinition;
use crate::replay::Program;

pub use self::erased::ActivityProgram;

/// Orchestrators and activities by name, without regard to ASCII case.
#[derive(Clone, Default)]
pub struct Registry {
    orchestrators: HashMap<FunctionName, Program>,
    activities: HashMap<FunctionName, ActivityProgram>,
    required_state: Vec<(FunctionName, StateKey)>,
}

/// A function could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two orchestrators or two activities have the same name.
    #[error("two {kind} have the name '{name}': give one of them another with `name = \"...\"`")]
    Duplicate {
        /// "orchestrators" or "activities".
        kind: &'static str,
        /// The name.
        name: FunctionName,
    },
    /// The name is not valid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
}

impl Registry {
    /// Adds an orchestrator.
    ///
    /// # Errors
    ///
    /// Its name is taken or not valid.
    pub fn add_orchestrator<D: OrchestratorDefinition>(&mut self) -> Result<(), RegistryError> {
        let name = FunctionName::new(D::NAME)?;
        insert(&mut self.orchestrators, "orchestrators", name, erased::orchestrator::<D>())
    }

    /// Adds an activity.
    ///
    /// # Errors
    ///
    /// Its name is taken or not valid.
    pub fn add_activity<D: ActivityDefinition>(&mut self) -> Result<(), RegistryError> {
        let name = FunctionName::new(D::NAME)?;
        self.required_state.extend(D::required_state().into_iter().map(|key| (name.clone(), key)));
        insert(&mut self.activities, "activities", name, erased::activity::<D>())
    }

    /// Adds a closure or method as an activity.
    ///
    /// # Errors
    ///
    /// The name is taken or not valid.
    pub fn add_activity_fn<M, H: ActivityHandler<M>>(&mut self, name: &str, handler: H) -> Result<(), RegistryError> {
        let name = FunctionName::new(name)?;
        insert(&mut self.activities, "activities", name, erased::handler(handler))
    }

    /// The code of an orchestrator.
    #[must_use]
    pub fn orchestrator(&self, name: &FunctionName) -> Option<&Program> {
        self.orchestrators.get(name)
    }

    /// The code of an activity.
    #[must_use]
    pub fn activity(&self, name: &FunctionName) -> Option<&ActivityProgram> {
        self.activities.get(name)
    }

    /// The names of the orchestrators, in alphabetical order.
    #[must_use]
    pub fn orchestrator_names(&self) -> Vec<FunctionName> {
        sorted(self.orchestrators.keys())
    }

    /// The names of the activities, in alphabetical order.
    #[must_use]
    pub fn activity_names(&self) -> Vec<FunctionName> {
        sorted(self.activities.keys())
    }

    /// The state that activities declare, with the activity that does so.
    #[must_use]
    pub fn required_state(&self) -> &[(FunctionName, StateKey)] {
        &self.required_state
    }
}

fn insert<T>(
    map: &mut HashMap<FunctionName, T>,
    kind: &'static str,
    name: FunctionName,
    program: T,
) -> Result<(), RegistryError> {
    if map.contains_key(&name) {
        return Err(RegistryError::Duplicate { kind, name });
    }
    map.insert(name, program);
    Ok(())
}

fn sorted<'a>(names: impl Iterator<Item = &'a FunctionName>) -> Vec<FunctionName> {
    let mut names: Vec<_> = names.cloned().collect();
    names.sort_by_key(FunctionName::folded);
    names
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry")
            .field("orchestrators", &self.orchestrator_names())
            .field("activities", &self.activity_names())
            .finish_non_exhaustive()
    }
}
