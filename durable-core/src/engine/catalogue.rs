//! What the worker of an engine can run.

use std::collections::{HashMap, HashSet};

use super::source::WorkOffer;
use crate::backend::{Runnable, RunnableActivities, RunnableOrchestrators};
use crate::client::{ClientError, ClientErrorKind};
use crate::model::{FailureDetails, FunctionName, NameList, Version, VersionSet};

/// The orchestrators that a worker knows, each with its versions in ascending order, and its activities.
#[derive(Debug, Default)]
pub(super) struct Catalogue {
    orchestrators: HashMap<FunctionName, Vec<Option<Version>>>,
    activities: HashSet<FunctionName>,
    default_version: Option<Version>,
    /// What this worker takes from a store where others may take the rest.
    shared: Option<(RunnableOrchestrators, RunnableActivities)>,
}

/// What a start asks for and nobody has.
#[derive(Debug)]
pub(super) enum Missing {
    Orchestrator(FunctionName, Vec<FunctionName>),
    Version(FunctionName, Version, Vec<Version>),
}

impl Catalogue {
    pub(super) fn new(offer: WorkOffer, is_shared: bool) -> Self {
        let runnable = |(name, versions): &(FunctionName, Vec<Option<Version>>)| {
            // Code without versions serves every instance.
            let versions = if *versions == [None] {
                offer.takes.clone()
            } else {
                let taken = versions.iter().filter(|version| offer.takes.contains(version.as_ref()));
                VersionSet::These(taken.cloned().collect())
            };
            Runnable { name: name.as_str().to_owned(), versions }
        };
        let shared = is_shared.then(|| {
            let activities = offer.activities.iter().map(|name| name.as_str().to_owned());
            (Some(offer.orchestrators.iter().map(runnable).collect()), Some(activities.collect()))
        });
        Self {
            orchestrators: offer.orchestrators.into_iter().collect(),
            activities: offer.activities.into_iter().collect(),
            default_version: offer.default_version,
            shared,
        }
    }

    /// Which instances to take from the store.
    pub(super) fn orchestrators(&self) -> RunnableOrchestrators {
        self.shared.as_ref().and_then(|(orchestrators, _)| orchestrators.clone())
    }

    /// Which calls to take from the store.
    pub(super) fn activities(&self) -> RunnableActivities {
        self.shared.as_ref().and_then(|(_, activities)| activities.clone())
    }

    /// False for an instance that only others can run.
    pub(super) fn runs(&self, name: &FunctionName, version: Option<&Version>) -> bool {
        let Some((Some(known), _)) = &self.shared else { return true };
        known.iter().any(|known| known.fits(name.as_str(), version.map(Version::as_str)))
    }

    /// False for a call that only others can run.
    pub(super) fn runs_activity(&self, name: &FunctionName) -> bool {
        self.shared.is_none() || self.activities.contains(name)
    }

    /// False for a worker that can run no call at all.
    pub(super) fn has_activities(&self) -> bool {
        !self.activities.is_empty()
    }

    /// The version in which a new instance starts: the one that is asked for, or the default of the hub, or the highest.
    /// Code without versions serves every version. What only others may have starts as it is asked for.
    pub(super) fn version(&self, name: &FunctionName, asked: Option<&Version>) -> Result<Option<Version>, Missing> {
        match self.known_version(name, asked) {
            Err(_) if self.shared.is_some() => Ok(asked.cloned()),
            known => known,
        }
    }

    fn known_version(&self, name: &FunctionName, asked: Option<&Version>) -> Result<Option<Version>, Missing> {
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
        let orders = vec![None, Some(version("1.0")), Some(version("2.0"))];
        Catalogue::new(offer(orders, default), false)
    }

    fn name(text: &str) -> FunctionName {
        FunctionName::new(text).unwrap()
    }

    fn offer(orders: Vec<Option<Version>>, default: Option<&str>) -> WorkOffer {
        WorkOffer {
            orchestrators: vec![(name("order"), orders), (name("plain"), vec![None])],
            default_version: default.map(version),
            activities: vec![name("charge")],
            ..WorkOffer::default()
        }
    }

    #[test]
    fn in_a_shared_store_others_may_have_what_is_missing_here() {
        let shared = Catalogue::new(offer(vec![None, Some(version("1.0"))], None), true);
        assert_eq!(shared.version(&name("other"), Some(&version("9.0"))).unwrap(), Some(version("9.0")));
        assert_eq!(shared.version(&name("other"), None).unwrap(), None);
        assert!(shared.runs(&name("ORDER"), None) && shared.runs(&name("order"), Some(&version("1.0"))));
        assert!(!shared.runs(&name("order"), Some(&version("9.0"))) && !shared.runs(&name("other"), None));
        assert!(shared.runs(&name("plain"), Some(&version("9.0"))), "it has no versions");
        assert!(shared.runs_activity(&name("Charge")) && !shared.runs_activity(&name("refund")));
        let alone = catalogue(None);
        assert!(alone.runs(&name("other"), None) && alone.runs_activity(&name("refund")), "it fails where it is seen");
        assert_eq!((alone.orchestrators(), alone.activities()), (None, None));
    }

    #[test]
    fn instances_of_other_versions_than_the_worker_takes_are_left_to_others() {
        let (one, two, three) = (version("1.0"), version("2.0"), version("3.0"));
        let takes = |takes| {
            let orders = vec![Some(one.clone()), Some(three.clone())];
            Catalogue::new(WorkOffer { takes, ..offer(orders, None) }, true)
        };
        let later = takes(VersionSet::Through(Some(two.clone())));
        assert!(later.runs(&name("order"), Some(&one)) && !later.runs(&name("order"), Some(&three)));
        assert!(later.runs(&name("plain"), Some(&two)) && !later.runs(&name("plain"), Some(&three)));
        let strict = takes(VersionSet::These(vec![Some(two.clone())]));
        assert!(!strict.runs(&name("order"), Some(&one)) && !strict.runs(&name("order"), Some(&two)));
        assert!(strict.runs(&name("plain"), Some(&two)) && !strict.runs(&name("plain"), None));
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
