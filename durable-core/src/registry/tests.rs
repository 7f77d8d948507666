//! Names, versions, and what is refused.

use super::*;
use crate::BoxFuture;
use crate::model::{FailureDetails, Payload};
use crate::orchestration::{Next, OrchestrationContext};

macro_rules! orchestrators {
    ($($ident:ident: $name:literal $version:expr;)*) => {
        orchestrators! { $($ident: $name $version, (), None;)* }
    };
    ($($ident:ident: $name:literal $version:expr, $input:ty, $http:expr;)*) => {$(
        struct $ident;
        impl OrchestratorDefinition for $ident {
            const NAME: &'static str = $name;
            const VERSION: Option<&'static str> = $version;
            const HTTP: Option<&'static str> = $http;
            type Input = $input;
            type Output = ();
            fn invoke(_: OrchestrationContext, _: $input) -> BoxFuture<'static, Result<Next<(), $input>, FailureDetails>> {
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

orchestrators! {
    Bound: "bound" Some("1"), (), Some("POST a");
    BoundNumber: "bound" Some("2"), u32, Some("POST a");
    BoundText: "bound" Some("3"), String, None;
    BoundElsewhere: "bound" Some("4"), (), Some("GET b");
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

#[test]
fn a_binding_is_there_once_and_checks_the_input_of_the_default_version() {
    let mut registry = Registry::default();
    registry.add_orchestrator::<BoundText>().unwrap();
    assert_eq!(registry.http_triggers(None).unwrap().len(), 0);
    registry.add_orchestrator::<Bound>().unwrap();
    registry.add_orchestrator::<BoundNumber>().unwrap();
    for (default, number, text) in
        [(None, false, true), (Some("9"), false, true), (Some("2"), true, false), (Some("1"), true, true)]
    {
        let triggers = registry.http_triggers(default.map(version).as_ref()).unwrap();
        let [trigger] = &triggers[..] else { panic!("{triggers:?}") };
        assert_eq!((trigger.name().as_str(), trigger.binding()), ("bound", "POST a"));
        let fits = |json: &str| trigger.check_input(&Payload::from_json(json).unwrap()).is_ok();
        assert_eq!((fits("1"), fits("\"x\"")), (number, text), "{default:?}");
    }
}

#[test]
fn versions_cannot_have_different_bindings() {
    let mut registry = Registry::default();
    registry.add_orchestrator::<Bound>().unwrap();
    registry.add_orchestrator::<BoundElsewhere>().unwrap();
    let error = registry.http_triggers(None).unwrap_err();
    assert!(matches!(&error, RegistryError::TwoBindings { bindings: ["POST a", "GET b"], .. }), "{error}");
}
