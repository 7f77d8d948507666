//! Names, versions, and what is refused.

use super::*;
use crate::BoxFuture;
use crate::model::FailureDetails;
use crate::orchestration::{Next, OrchestrationContext};

macro_rules! orchestrators {
    ($($ident:ident: $name:literal $version:expr;)*) => {$(
        struct $ident;
        impl OrchestratorDefinition for $ident {
            const NAME: &'static str = $name;
            const VERSION: Option<&'static str> = $version;
            type Input = ();
            type Output = ();
            fn invoke(_: OrchestrationContext, (): ()) -> BoxFuture<'static, Result<Next<(), ()>, FailureDetails>> {
                unreachable!()
            }
        }
    )*};
}

orchestrators! {
    Plain: "order" None;
    Second: "order" Some("1.2");
    Tenth: "Order" Some("1.10");
    AlsoSecond: "ORDER" Some("1.02");
    Bad: "order" Some(" ");
}

fn version(text: &str) -> Version {
    Version::new(text).unwrap()
}

fn order() -> FunctionName {
    FunctionName::new("order").unwrap()
}

#[test]
fn code_without_versions_serves_every_instance() {
    let mut registry = Registry::default();
    registry.add_orchestrator::<Plain>().unwrap();
    assert!(registry.orchestrator(&order(), None).is_some());
    assert!(registry.orchestrator(&order(), Some(&version("7"))).is_some());
    assert_eq!(registry.latest(&order()), Some(None));
}

#[test]
fn an_instance_gets_the_code_of_its_version_and_no_other() {
    let mut registry = Registry::default();
    registry.add_orchestrator::<Tenth>().unwrap();
    registry.add_orchestrator::<Second>().unwrap();
    assert!(registry.orchestrator(&order(), Some(&version("1.2"))).is_some());
    assert!(registry.orchestrator(&order(), Some(&version("1.10"))).is_some());
    assert!(registry.orchestrator(&order(), Some(&version("1.3"))).is_none());
    assert!(registry.orchestrator(&order(), None).is_none());
    registry.add_orchestrator::<Plain>().unwrap();
    assert!(registry.orchestrator(&order(), None).is_some());
    assert!(registry.orchestrator(&order(), Some(&version("1.3"))).is_none());
    assert_eq!(registry.versions(&order()), [None, Some(version("1.2")), Some(version("1.10"))]);
    assert_eq!(registry.latest(&order()), Some(Some(version("1.10"))));
    assert_eq!(registry.orchestrator_names(), [order()]);
}

#[test]
fn an_unknown_name_has_no_versions() {
    let registry = Registry::default();
    assert_eq!(registry.versions(&order()), []);
    assert_eq!(registry.latest(&order()), None);
    assert!(registry.orchestrator(&order(), None).is_none());
}

#[test]
fn a_duplicate_is_named_with_its_version() {
    let mut registry = Registry::default();
    registry.add_orchestrator::<Plain>().unwrap();
    registry.add_orchestrator::<Second>().unwrap();
    assert_eq!(
        registry.add_orchestrator::<Plain>().unwrap_err().to_string(),
        "two orchestrators have the name 'order': give one of them another with `name = \"...\"` or `version = \"...\"`"
    );
    assert_eq!(
        registry.add_orchestrator::<AlsoSecond>().unwrap_err().to_string(),
        "two orchestrators have the name 'ORDER' and the version '1.02': give one of them another with `name = \"...\"` or \
         `version = \"...\"`"
    );
    let same = |n: u8| async move { Ok::<_, FailureDetails>(n) };
    let twice = registry.add_activity_fn("a", same).and_then(|()| registry.add_activity_fn("A", same));
    assert_eq!(
        twice.unwrap_err().to_string(),
        "two activities have the name 'A': give one of them another with `name = \"...\"`"
    );
}

#[test]
fn a_bad_version_is_refused_and_leaves_nothing_behind() {
    let mut registry = Registry::default();
    assert!(matches!(registry.add_orchestrator::<Bad>(), Err(RegistryError::InvalidVersion(_))));
    assert_eq!(registry.orchestrator_names(), []);
}
