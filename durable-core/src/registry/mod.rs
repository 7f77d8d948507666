//! The functions that a hub can run, by name, and orchestrators by version as well.

mod discovered;
mod erased;
#[cfg(test)]
mod tests;
mod trigger;

use std::any::TypeId;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use crate::activity::{ActivityDefinition, ActivityHandler, StateKey};
use crate::model::{FunctionName, InvalidName, InvalidVersion, Version};
use crate::orchestration::OrchestratorDefinition;
use crate::replay::Program;

pub use self::discovered::Discovered;
pub use self::erased::{ActivityProgram, program};
use self::trigger::Entrance;
pub use self::trigger::HttpTrigger;

/// Orchestrators and activities by name, without regard to ASCII case. An orchestrator may be there in several versions.
#[derive(Clone, Default)]
pub struct Registry {
    orchestrators: HashMap<FunctionName, BTreeMap<Option<Version>, Program>>,
    /// Beside the code of each version, how it may be started.
    entrances: HashMap<FunctionName, Vec<Entrance>>,
    activities: HashMap<FunctionName, ActivityProgram>,
    stand_ins: Option<Arc<dyn StandIns>>,
    required_state: Vec<(FunctionName, StateKey)>,
    /// The definitions behind the names, so that a discovered function is not taken for its own double.
    definitions: HashSet<TypeId>,
}

/// Code that stands in for functions, in tests.
pub trait StandIns: Send + Sync + 'static {
    /// What runs instead of an activity of this name, which has this code where it is registered; `None` leaves it as it is.
    fn activity(&self, name: &FunctionName, real: Option<ActivityProgram>) -> Option<ActivityProgram>;

    /// What runs instead of an orchestrator of this name; `None` leaves it as it is.
    fn orchestrator(&self, name: &FunctionName) -> Option<Program>;
}

/// A function could not be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// Two activities have the same name, or two orchestrators the same name and version.
    #[error(
        "two {kind} have the name '{name}'{}: give one of them another with `{}`",
        in_version(version.as_ref()),
        other_option(kind)
    )]
    Duplicate {
        /// "orchestrators" or "activities".
        kind: &'static str,
        /// The name.
        name: FunctionName,
        /// The version; `None` for activities, and for orchestrators without one.
        version: Option<Version>,
    },
    /// Versions of one orchestrator are started by different requests.
    #[error(
        "the versions of orchestrator '{name}' have different `http` options, \"{}\" and \"{}\": give them the same, or only one of them any",
        bindings[0],
        bindings[1]
    )]
    TwoBindings {
        /// The name.
        name: FunctionName,
        /// Two of the bindings.
        bindings: [&'static str; 2],
    },
    /// The name is not valid.
    #[error(transparent)]
    InvalidName(#[from] InvalidName),
    /// The version is not valid.
    #[error(transparent)]
    InvalidVersion(#[from] InvalidVersion),
}

const ORCHESTRATORS: &str = "orchestrators";
const ACTIVITIES: &str = "activities";

impl Registry {
    /// Adds an orchestrator, in its version.
    ///
    /// # Errors
    ///
    /// Its name is taken in this version, or its name or version is not valid.
    pub fn add_orchestrator<D: OrchestratorDefinition>(&mut self) -> Result<(), RegistryError> {
        let name = FunctionName::new(D::NAME)?;
        let version = D::VERSION.map(Version::new).transpose()?;
        let versions = self.orchestrators.entry(name.clone()).or_default();
        if versions.contains_key(&version) {
            return Err(RegistryError::Duplicate { kind: ORCHESTRATORS, name, version });
        }
        versions.insert(version.clone(), erased::orchestrator::<D>());
        self.entrances.entry(name).or_default().push(Entrance::of::<D>(version));
        self.definitions.insert(TypeId::of::<D>());
        Ok(())
    }

    /// Adds an activity.
    ///
    /// # Errors
    ///
    /// Its name is taken or not valid.
    pub fn add_activity<D: ActivityDefinition>(&mut self) -> Result<(), RegistryError> {
        let name = FunctionName::new(D::NAME)?;
        self.insert_activity(name.clone(), erased::activity::<D>())?;
        self.required_state.extend(D::required_state().into_iter().map(|key| (name.clone(), key)));
        self.definitions.insert(TypeId::of::<D>());
        Ok(())
    }

    /// Adds a closure or method as an activity.
    ///
    /// # Errors
    ///
    /// The name is taken or not valid.
    pub fn add_activity_fn<M, H: ActivityHandler<M>>(&mut self, name: &str, handler: H) -> Result<(), RegistryError> {
        self.insert_activity(FunctionName::new(name)?, erased::handler(handler))
    }

    fn insert_activity(&mut self, name: FunctionName, program: ActivityProgram) -> Result<(), RegistryError> {
        if self.activities.contains_key(&name) {
            return Err(RegistryError::Duplicate { kind: ACTIVITIES, name, version: None });
        }
        self.activities.insert(name, program);
        Ok(())
    }

    /// True when this very function was added, by whatever way.
    fn has_definition<D: 'static>(&self) -> bool {
        self.definitions.contains(&TypeId::of::<D>())
    }

    /// The code of an orchestrator for an instance of this version.
    ///
    /// It is the code of exactly that version. A name without any versions has one code, which serves every instance.
    #[must_use]
    pub fn orchestrator(&self, name: &FunctionName, version: Option<&Version>) -> Option<Program> {
        if let Some(program) = self.stand_ins.as_ref().and_then(|stand_ins| stand_ins.orchestrator(name)) {
            return Some(program);
        }
        let versions = self.orchestrators.get(name)?;
        let unversioned = || versions.get(&None).filter(|_| versions.len() == 1);
        versions.get(&version.cloned()).or_else(unversioned).cloned()
    }

    /// The versions of an orchestrator, in ascending order; code without a version comes first. Empty for a name that is not
    /// registered.
    #[must_use]
    pub fn versions(&self, name: &FunctionName) -> Vec<Option<Version>> {
        self.orchestrators.get(name).into_iter().flat_map(BTreeMap::keys).cloned().collect()
    }

    /// The highest version of an orchestrator: `Some(None)` when it has only code without a version, and `None` when its name
    /// is not registered.
    #[must_use]
    pub fn latest(&self, name: &FunctionName) -> Option<Option<Version>> {
        self.orchestrators.get(name)?.keys().next_back().cloned()
    }

    /// The code of an activity.
    #[must_use]
    pub fn activity(&self, name: &FunctionName) -> Option<ActivityProgram> {
        let real = self.activities.get(name).cloned();
        match &self.stand_ins {
            Some(stand_ins) => stand_ins.activity(name, real.clone()).or(real),
            None => real,
        }
    }

    /// Lets other code stand in for functions, in tests. It goes before the functions that are registered.
    pub fn set_stand_ins(&mut self, stand_ins: Arc<dyn StandIns>) {
        self.stand_ins = Some(stand_ins);
    }

    /// Makes the name of an orchestrator known whose code comes from [`StandIns`]; nothing when it is registered.
    pub fn add_name(&mut self, name: FunctionName) {
        let nothing: Program = Arc::new(|_, _| Box::pin(std::future::pending()));
        self.orchestrators.entry(name).or_insert_with(|| BTreeMap::from([(None, nothing)]));
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

/// Where a duplicate is, for an error.
fn in_version(version: Option<&Version>) -> String {
    version.map(|version| format!(" and the version '{version}'")).unwrap_or_default()
}

/// The options that tell two functions apart.
fn other_option(kind: &str) -> &'static str {
    if kind == ORCHESTRATORS { "name = \"...\"` or `version = \"...\"" } else { "name = \"...\"" }
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
