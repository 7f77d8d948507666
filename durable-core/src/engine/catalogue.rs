//! What the worker of an engine can run.

use std::collections::HashMap;

use crate::client::{ClientError, ClientErrorKind};
use crate::model::{FailureDetails, FunctionName, NameList, Version};

/// The orchestrators that a worker knows, each with its versions in ascending order.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    orchestrators: HashMap<FunctionName, Vec<Option<Version>>>,
    default_version: Option<Version>,
}

/// What a start asks for and nobody has.
#[derive(Debug)]
pub(super) enum Missing {
    Orchestrator(FunctionName, Vec<FunctionName>),
    Version(FunctionName, Version, Vec<Version>),
}

impl Catalogue {
    pub(super) fn new(
        orchestrators: impl IntoIterator<Item = (FunctionName, Vec<Option<Version>>)>,
        default_version: Option<Version>,
    ) -> Self {
        Self { orchestrators: orchestrators.into_iter().collect(), default_version }
    }

    /// The version in which a new instance starts: the one that is asked for, or the default of the hub, or the highest.
    /// Code without versions serves every version.
    pub(super) fn version(&self, name: &FunctionName, asked: Option<&Version>) -> Result<Option<Version>, Missing> {
        let Some(versions) = self.orchestrators.get(name) else {
            let mut known: Vec<_> = self.orchestrators.keys().cloned().collect();
            known.sort_by_key(FunctionName::folded);
            return Err(Missing::Orchestrator(name.clone(), known));
        };
        let serves = |version: &Version| {
            versions.iter().flatten().any(|known| known == version) || versions.iter().all(Option::is_none)
        };
        match asked {
            Some(version) if serves(version) => Ok(Some(version.clone())),
            Some(version) => {
                let known = versions.iter().flatten().cloned().collect();
                Err(Missing::Version(name.clone(), version.clone(), known))
            }
            None => match &self.default_version {
                Some(default) if serves(default) => Ok(Some(default.clone())),
                _ => Ok(versions.last().cloned().flatten()),
            },
        }
    }
}

impl From<Missing> for ClientError {
    fn from(missing: Missing) -> Self {
        Self::new(match missing {
            Missing::Orchestrator(name, known) => ClientErrorKind::UnknownOrchestrator { name, known },
            Missing::Version(name, version, known) => ClientErrorKind::UnknownVersion { name, version, known },
        })
    }
}

impl From<Missing> for FailureDetails {
    fn from(missing: Missing) -> Self {
        let error_type = match &missing {
            Missing::Orchestrator(..) => "OrchestratorTaskNotFound",
            Missing::Version(..) => "VersionMismatch",
        };
        let message = match &missing {
            Missing::Orchestrator(name, known) => {
                format!("there is no orchestrator '{name}'; registered are: {}", NameList(known))
            }
            Missing::Version(..) => ClientError::from(missing).to_string(),
        };
        Self::new(error_type, message).non_retriable()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::new(text).unwrap()
    }

    fn catalogue(default: Option<&str>) -> Catalogue {
        let name = |text| FunctionName::new(text).unwrap();
        let orders = vec![None, Some(version("1.0")), Some(version("2.0"))];
        Catalogue::new([(name("order"), orders), (name("plain"), vec![None])], default.map(version))
    }

    #[test]
    fn a_start_without_a_version_gets_the_default_or_the_highest() {
        let order = FunctionName::new("Order").unwrap();
        assert_eq!(catalogue(None).version(&order, None).unwrap(), Some(version("2.0")));
        assert_eq!(catalogue(Some("1.0")).version(&order, None).unwrap(), Some(version("1.0")));
        assert_eq!(catalogue(Some("7.0")).version(&order, None).unwrap(), Some(version("2.0")));
        assert_eq!(catalogue(None).version(&order, Some(&version("1.0"))).unwrap(), Some(version("1.0")));
    }

    #[test]
    fn code_without_versions_serves_every_version() {
        let plain = FunctionName::new("plain").unwrap();
        assert_eq!(catalogue(None).version(&plain, None).unwrap(), None);
        assert_eq!(catalogue(Some("7.0")).version(&plain, None).unwrap(), Some(version("7.0")));
    }

    #[test]
    fn what_is_missing_is_named() {
        let order = FunctionName::new("order").unwrap();
        let missing = catalogue(None).version(&order, Some(&version("9.0"))).unwrap_err();
        let text = ClientError::from(missing).to_string();
        assert_eq!(text, "orchestrator 'order' has no version '9.0'; registered are: 1.0, 2.0");
    }
}
