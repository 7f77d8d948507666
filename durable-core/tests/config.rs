//! Where settings come from, and what they become.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::time::Duration;

use durable_core::config::{HostConfig, Source, StorageType};
use durable_core::model::{IdReusePolicy, Limit, Limits, Retention, RuntimeStatus};
use durable_core::worker::{VersionMatch, VersionMismatch};

/// A `host.json` with these settings of ours.
fn ours(settings: &str) -> String {
    format!(r#"{{ "version": "2.0", "extensions": {{ "durableTask": {settings} }} }}"#)
}

fn json(settings: &str) -> HostConfig {
    HostConfig::builder().json(ours(settings)).load().unwrap()
}

fn vars(variables: &[(&str, &str)]) -> HostConfig {
    HostConfig::builder().vars(variables.iter().copied()).load().unwrap()
}

fn environment(name: &str) -> Source {
    Source::Environment(name.to_owned())
}

fn texts(remarks: &[durable_core::config::Remark]) -> Vec<String> {
    remarks.iter().map(ToString::to_string).collect()
}

#[test]
fn without_anything_there_are_defaults() {
    let config = HostConfig::builder().load().unwrap();
    assert_eq!(config.hub_name().as_str(), "TestHubName");
    assert_eq!((config.default_version(), config.version_match(), config.version_failure()), (None, None, None));
    assert_eq!((config.max_concurrent_activities(), config.max_concurrent_orchestrators()), (None, None));
    assert_eq!((config.max_orchestration_actions(), config.warm_instances()), (None, None));
    assert_eq!((config.id_reuse(), config.function_timeout(), config.storage_type()), (None, None, None));
    assert_eq!(config.heartbeat_interval(), None);
    assert_eq!(config.limits(Limits::default()), Limits::default());
    assert_eq!(config.retention(Retention::new()), Retention::new());
    let http = config.http();
    assert_eq!((http.route_prefix.as_str(), http.listen.as_str()), ("api", "127.0.0.1:7071"));
    assert_eq!((&http.public_origin, http.signed_links), (&None, None));
    assert!(!http.use_forwarded_host && !http.allow_public && !http.read_only);
    assert!(http.keys.is_empty() && http.trusted_proxies.is_empty());
    assert!(config.effective().settings().iter().all(|setting| setting.source() == &Source::Default));
    assert!(config.warnings().is_empty() && config.notes().is_empty());
}

#[test]
fn every_setting_is_read_from_the_file() {
    let text = r#"{
        "functionTimeout": "00:10:00",
        "extensions": {
            "http": { "routePrefix": "/v1/" },
            "durableTask": {
                "hubName": "Shop", "defaultVersion": "2.1", "versionMatchStrategy": "strict",
                "versionFailureStrategy": "FAIL", "maxConcurrentActivityFunctions": 5,
                "maxConcurrentOrchestratorFunctions": "6", "maxOrchestrationActions": 7, "extendedSessionsEnabled": false,
                "overridableExistingInstanceStates": "AnyState",
                "retention": { "all": "7.00:00:00", "completed": "12:00:00", "failed": "-1", "canceled": -1,
                    "terminated": "1.00:00:00" },
                "storageProvider": { "type": "SQLite", "connectionName": "SHOP_DB", "heartbeatInterval": "00:00:00.25",
                    "payloadStorageEnabled": true, "payloadStorageThresholdBytes": 100,
                    "payloadStorageMaxPayloadBytes": 200 },
                "httpSettings": {
                    "useForwardedHost": true, "publicOrigin": "https://shop.example/", "listen": "0.0.0.0:80",
                    "trustedProxies": ["10.0.0.0/8", "::1"], "keys": { "Ops": "s3cret" }, "readOnly": true,
                    "allowPublic": true, "signedLinks": 90
                }
            }
        }
    }"#;
    let config = HostConfig::builder().json(text).load().unwrap();
    assert_eq!(config.hub_name().as_str(), "Shop");
    assert_eq!(config.default_version().unwrap().as_str(), "2.1");
    assert_eq!(config.version_match(), Some(VersionMatch::Strict));
    assert_eq!(config.version_failure(), Some(VersionMismatch::Fail));
    assert_eq!((config.max_concurrent_activities(), config.max_concurrent_orchestrators()), (Some(5), Some(6)));
    assert_eq!((config.max_orchestration_actions(), config.warm_instances()), (Some(7), Some(0)));
    assert_eq!(config.id_reuse(), Some(IdReusePolicy::replace_any()));
    assert_eq!(config.function_timeout(), Some(Duration::from_secs(600)));
    assert_eq!(config.storage_type(), Some(StorageType::Sqlite));
    assert_eq!(config.heartbeat_interval(), Some(Duration::from_millis(250)));
    let limits = config.limits(Limits::default());
    assert_eq!((limits.payload, limits.actions_per_turn), (Limit::new(100, 200), Limit::new(7, 7)));
    let ages = [RuntimeStatus::Completed, RuntimeStatus::Failed, RuntimeStatus::Canceled, RuntimeStatus::Terminated];
    let ages = ages.map(|status| config.retention(Retention::new()).age(status).map(|age| age.as_secs()));
    assert_eq!(ages, [Some(43_200), None, None, Some(86_400)]);
    let http = config.http();
    assert_eq!((http.route_prefix.as_str(), http.listen.as_str()), ("v1", "0.0.0.0:80"));
    assert_eq!(http.public_origin.as_deref(), Some("https://shop.example"));
    assert_eq!(http.trusted_proxies, ["10.0.0.0/8", "::1"]);
    assert_eq!(http.keys["Ops"].expose(), "s3cret");
    assert!(http.use_forwarded_host && http.allow_public && http.read_only);
    assert_eq!(http.signed_links, Some(Duration::from_secs(90)));
    assert!(config.warnings().is_empty() && config.notes().is_empty(), "{:?}", config.warnings());
    let file = Source::File("host.json".to_owned());
    for setting in config.effective().settings() {
        assert_eq!(setting.source(), &file, "{setting}");
    }
}

#[test]
fn the_environment_wins_over_the_file_and_the_short_name_over_the_long_one() {
    let long = "AzureFunctionsJobHost__extensions__durableTask__hubName";
    let load = |variables: &[(&str, &str)]| {
        let builder = HostConfig::builder().vars(variables.iter().copied());
        builder.json(ours(r#"{ "hubName": "OfFile" }"#)).load().unwrap()
    };
    let name = |config: &HostConfig| config.effective().get("hubName").unwrap().to_string();
    let path = "extensions.durableTask.hubName";
    assert_eq!(name(&load(&[("WEBSITE_SITE_NAME", "site")])), format!("{path} = OfFile (host.json)"));
    assert_eq!(name(&load(&[(long, "OfLong")])), format!("{path} = OfLong (environment {long})"));
    let both = load(&[("DURABLE__HUBNAME", "OfShort"), (long, "OfLong")]);
    assert_eq!(name(&both), format!("{path} = OfShort (environment DURABLE__HUBNAME)"));
    assert_eq!(
        texts(both.warnings()),
        [format!("{path} (environment DURABLE__HUBNAME): the variable {long} says something else")]
    );
    assert!(load(&[("DURABLE__hubName", "Same"), (long, "Same")]).warnings().is_empty());
}

#[test]
fn every_sort_of_setting_is_read_from_the_environment() {
    let config = vars(&[
        ("azurefunctionsjobhost__FUNCTIONTIMEOUT", "-1"),
        ("AzureFunctionsJobHost__extensions__http__routePrefix", ""),
        ("AzureFunctionsJobHost__logging__logLevel__default", "Debug"),
        ("DURABLE__storageProvider__type", "memory"),
        ("DURABLE__maxConcurrentActivityFunctions", " 12 "),
        ("DURABLE__extendedSessionsEnabled", "True"),
        ("DURABLE__http__trustedProxies__1", "10.0.0.2"),
        ("DURABLE__http__trustedProxies__0", "10.0.0.1"),
        ("DURABLE__http__trustedProxies__10", "10.0.0.4"),
        ("DURABLE__http__trustedProxies__2", "10.0.0.3"),
        ("DURABLE__http__keys__OPS", "a%b%c"),
        ("DURABLE__httpSettings__signedLinks", "1.00:00:00"),
        ("DURABLE__httpSettings__listen", "8080"),
        ("DURABLE__hubName", ""),
        ("durable_unrelated", "x"),
    ]);
    assert_eq!(config.function_timeout(), None);
    assert_eq!(
        config.effective().get("functionTimeout").unwrap().source(),
        &environment("azurefunctionsjobhost__FUNCTIONTIMEOUT")
    );
    assert_eq!(config.http().route_prefix, "");
    assert_eq!(config.storage_type(), Some(StorageType::Memory));
    assert_eq!((config.max_concurrent_activities(), config.warm_instances()), (Some(12), None));
    assert_eq!(config.http().trusted_proxies, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]);
    assert_eq!(config.http().keys["OPS"].expose(), "a%b%c", "secrets are taken as they are");
    assert_eq!(config.http().signed_links, Some(Duration::from_secs(86_400)));
    assert_eq!(config.http().listen, "127.0.0.1:8080");
    assert_eq!(config.hub_name().as_str(), "TestHubName", "empty is as good as not set");
    assert!(config.warnings().is_empty());
}

#[test]
fn a_list_in_the_environment_replaces_that_of_the_file_or_one_element() {
    let file = ours(r#"{ "httpSettings": { "trustedProxies": ["10.0.0.1", "10.0.0.2"] } }"#);
    let load = |name: &str, value: &str| {
        HostConfig::builder().json(file.as_str()).vars([(name, value)]).load().unwrap().http().trusted_proxies.clone()
    };
    assert_eq!(load("DURABLE__http__trustedProxies", "1.1.1.1, 2.2.2.2"), ["1.1.1.1", "2.2.2.2"]);
    assert_eq!(load("DURABLE__http__trustedProxies__1", "3.3.3.3"), ["10.0.0.1", "3.3.3.3"]);
}

#[test]
fn keys_of_all_sources_count() {
    let config = HostConfig::builder()
        .json(ours(r#"{ "httpSettings": { "keys": { "ops.eu": "%EU%", "both": "file" } } }"#))
        .vars([
            ("EU", "of-eu"),
            ("DURABLE__http__keys__BOTH", "env"),
            ("host.master", "m"),
            ("Host.SystemKey.Durabletask_extension", "d"),
        ])
        .load()
        .unwrap();
    let keys: Vec<_> = config.http().keys.iter().map(|(name, key)| format!("{name}={}", key.expose())).collect();
    assert_eq!(keys, ["BOTH=env", "durabletask_extension=d", "master=m", "ops.eu=of-eu"]);
}

#[test]
fn azure_says_what_a_site_is_called() {
    let config = vars(&[("WEBSITE_SITE_NAME", "my-shop"), ("WEBSITE_HOSTNAME", "my-shop.azurewebsites.net")]);
    assert_eq!(config.hub_name().as_str(), "myshop");
    assert_eq!(config.effective().get("hubName").unwrap().source(), &environment("WEBSITE_SITE_NAME"));
    assert_eq!(config.http().public_origin.as_deref(), Some("https://my-shop.azurewebsites.net"));
    for (host, origin) in [("localhost:7071", "http://localhost:7071"), ("127.0.0.1:80", "http://127.0.0.1:80")] {
        assert_eq!(vars(&[("WEBSITE_HOSTNAME", host)]).http().public_origin.as_deref(), Some(origin));
    }
    let slot = [("WEBSITE_SITE_NAME", "shop"), ("WEBSITE_SLOT_NAME", "staging")];
    assert!(vars(&slot).warnings()[0].text().contains("deployment slot"));
    let named = HostConfig::builder().vars(slot).json(ours(r#"{ "hubName": "Staging" }"#)).load().unwrap();
    assert!(named.warnings().is_empty());
    assert!(vars(&[("WEBSITE_SITE_NAME", "shop"), ("WEBSITE_SLOT_NAME", "production")]).warnings().is_empty());
}

#[test]
fn the_port_of_the_surroundings_goes_before_that_of_the_file() {
    let listen = |variables: &[(&str, &str)]| {
        let file = ours(r#"{ "httpSettings": { "listen": "0.0.0.0:80" } }"#);
        HostConfig::builder().json(file).vars(variables.iter().copied()).load().unwrap()
    };
    let port = listen(&[("PORT", "8080")]);
    assert_eq!(port.http().listen, "0.0.0.0:8080");
    assert_eq!(port.effective().get("httpSettings.listen").unwrap().source(), &environment("PORT"));
    assert_eq!(vars(&[("PORT", "8080")]).http().listen, "127.0.0.1:8080");
    assert_eq!(listen(&[("PORT", "1"), ("FUNCTIONS_CUSTOMHANDLER_PORT", "2")]).http().listen, "0.0.0.0:2");
    assert_eq!(listen(&[("PORT", "")]).http().listen, "0.0.0.0:80");
    assert_eq!(listen(&[("PORT", "1"), ("DURABLE__http__listen", "[::]:9")]).http().listen, "[::]:9");
}

#[test]
fn the_port_of_the_surroundings_replaces_that_of_a_named_address() {
    let load = |variables: &[(&str, &str)]| {
        let file = ours(r#"{ "httpSettings": { "listen": "%ADDRESS%" } }"#);
        HostConfig::builder().json(file).vars(variables.iter().copied()).load()
    };
    assert_eq!(load(&[("PORT", "8080"), ("ADDRESS", "[::]:80")]).unwrap().http().listen, "[::]:8080");
    let error = load(&[("PORT", "8080")]).unwrap_err();
    assert!(error.to_string().contains("the environment variable ADDRESS is not set"), "{error}");
    let number = ours(r#"{ "httpSettings": { "listen": 80 } }"#);
    assert!(HostConfig::builder().json(number).vars([("PORT", "1")]).load().is_err(), "a port does not hide a mistake");
}

#[test]
fn names_between_percent_signs_come_from_the_environment() {
    let config = HostConfig::builder()
        .json(ours(r#"{ "hubName": "%STAGE%Hub", "maxConcurrentActivityFunctions": "%MANY%" }"#))
        .vars([("STAGE", "Test"), ("MANY", "3")])
        .load()
        .unwrap();
    assert_eq!((config.hub_name().as_str(), config.max_concurrent_activities()), ("TestHub", Some(3)));
}

#[test]
fn old_places_and_names_are_understood() {
    let config = HostConfig::builder()
        .json(
            r#"{ "http": { "routePrefix": "old" }, "extensions": { "DurableTask": { "HUBNAME": "Shop",
            "storageProvider": { "connectionStringName": "AzureWebJobsStorage" } } } }"#,
        )
        .load()
        .unwrap();
    assert_eq!((config.http().route_prefix.as_str(), config.hub_name().as_str()), ("old", "Shop"));
    assert_eq!(config.effective().get("storageProvider.connectionName").unwrap().value(), "AzureWebJobsStorage");

    let first =
        HostConfig::builder().json(r#"{ "durableTask": { "hubName": "Shop", "tracing": {} } }"#).load().unwrap();
    assert_eq!(first.hub_name().as_str(), "TestHubName");
    assert_eq!(
        texts(first.warnings()),
        ["durableTask (host.json): it has no effect: its place is `extensions.durableTask`"]
    );
}

#[test]
fn a_file_may_have_a_mark_comments_and_commas() {
    let text = format!("\u{feff}// ours\n{}", ours(r#"{ "hubName": "Shop", /* "x": 1, */ },"#));
    assert_eq!(HostConfig::builder().json(text).load().unwrap().hub_name().as_str(), "Shop");
    for empty in ["", " \r\n", "\u{feff}", "// nothing"] {
        let config = HostConfig::builder().json(empty).load().unwrap();
        assert_eq!(texts(config.warnings()), ["host.json (host.json): it is empty"]);
    }
}

#[test]
fn files_are_read_in_order_and_may_be_missing_where_that_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("host.json"), dir.path().join("host.test.json"));
    std::fs::write(&first, ours(r#"{ "hubName": "First", "defaultVersion": "1.0" }"#)).unwrap();
    std::fs::write(&second, ours(r#"{ "hubName": "Second", "defaultVersion": null }"#)).unwrap();
    let builder = HostConfig::builder().optional_file(dir.path().join("none.json"));
    let config = builder.file(&first).file(&second).load().unwrap();
    assert_eq!(config.hub_name().as_str(), "Second");
    assert_eq!(config.effective().get("hubName").unwrap().source(), &Source::File(second.display().to_string()));
    assert_eq!(config.default_version().unwrap().as_str(), "1.0", "null says nothing");
    let texts = HostConfig::builder().json(ours(r#"{ "hubName": "First" }"#)).json(ours(r#"{ "hubName": "Second" }"#));
    assert_eq!(texts.load().unwrap().hub_name().as_str(), "Second", "texts share a name, and are not the same");
}

#[test]
fn a_version_is_matched_as_the_extension_does() {
    let config = json(r#"{ "defaultVersion": "2.0" }"#);
    assert_eq!(config.version_match(), Some(VersionMatch::CurrentOrOlder));
    assert_eq!(config.effective().get("versionMatchStrategy").unwrap().value(), "CurrentOrOlder");
    let any = json(r#"{ "defaultVersion": "2.0", "versionMatchStrategy": "None" }"#);
    assert_eq!(any.version_match(), Some(VersionMatch::Any));
    let reuse = json(r#"{ "overridableExistingInstanceStates": "NonRunningStates" }"#).id_reuse().unwrap();
    assert!(reuse.replaces(RuntimeStatus::Failed) && !reuse.replaces(RuntimeStatus::Running));
}

#[test]
fn one_age_can_hold_for_all_and_another_for_one_status() {
    const DAY: Duration = Duration::from_secs(86_400);
    let config = json(r#"{ "retention": { "all": "7.00:00:00", "failed": -1 } }"#);
    assert_eq!(config.retention(Retention::all(DAY)), Retention::all(7 * DAY).failed(None));
    let shown = |name: &str| config.effective().get(name).unwrap().value().to_owned();
    assert_eq!((shown("retention.completed"), shown("retention.failed")), ("7.00:00:00".to_owned(), "-1".to_owned()));
    let one = json(r#"{ "retention": { "failed": "1.00:00:00" } }"#);
    assert_eq!(one.retention(Retention::all(2 * DAY)), Retention::all(2 * DAY).failed(DAY), "nothing else changes");
    let none = vars(&[("DURABLE__retention__all", "-1")]);
    assert_eq!(none.retention(Retention::all(DAY)), Retention::new());
    for refused in ["0", "00:00:00", "soon"] {
        let error = HostConfig::builder().vars([("DURABLE__retention__failed", refused)]).load().unwrap_err();
        assert!(error.to_string().contains("retention.failed"), "{error}");
    }
}

#[test]
fn sizes_of_payloads_push_each_other() {
    let payload = |settings: &str| {
        let config = json(&format!(r#"{{ "storageProvider": {settings} }}"#));
        let limit = config.limits(Limits::default()).payload;
        let shown = |name: &str| config.effective().get(name).unwrap().value().parse::<u64>().unwrap();
        assert_eq!(shown("storageProvider.payloadStorageThresholdBytes"), limit.soft);
        assert_eq!(shown("storageProvider.payloadStorageMaxPayloadBytes"), limit.hard);
        (limit.soft, limit.hard)
    };
    assert_eq!(payload(r#"{ "payloadStorageThresholdBytes": 10 }"#), (10, 64 << 20));
    assert_eq!(payload(r#"{ "payloadStorageMaxPayloadBytes": 10 }"#), (10, 10));
    assert_eq!(payload(r#"{ "payloadStorageThresholdBytes": 100000000 }"#), (100_000_000, 100_000_000));
    let off = r#"{ "payloadStorageThresholdBytes": 10, "payloadStorageEnabled": false }"#;
    assert_eq!(payload(off), (1 << 20, 64 << 20));
}

#[test]
fn unknown_settings_warn_and_known_ones_without_effect_are_noted() {
    let config = HostConfig::builder()
        .json(ours(
            r#"{ "hubNmae": "x", "connectionName": "x", "zzz": { "deep": { "deeper": 1 } },
                "httpSetting": { "keys": { "a": "1", "b": "2" } }, "httpSettings": { "publicOrigins": "x" },
                "maxConcurrentActivityFunction": 5,
                "useAppLease": true, "notifications": { "eventGrid": { "topicEndpoint": "x", "publishRetryCount": 3 } },
                "storageProvider": { "partitionCount": 4, "type": "azureStorage" } }"#,
        ))
        .vars([("DURABLE__hubname2", "x"), ("AzureFunctionsJobHost__extensions__durableTask__tracing__version", "V2")])
        .load()
        .unwrap();
    let place = "extensions.durableTask";
    let unknown = "it is not known and has no effect";
    let meant = |name: &str| format!("{unknown}: did you mean `{place}.{name}`?");
    assert_eq!(
        texts(config.warnings()),
        [
            format!("{place}.connectionName (host.json): {}", meant("storageProvider.connectionName")),
            format!("{place}.httpSetting (host.json): {}", meant("httpSettings")),
            format!("{place}.httpSettings.publicOrigins (host.json): {}", meant("httpSettings.publicOrigin")),
            format!("{place}.hubname2 (environment DURABLE__hubname2): {}", meant("hubName")),
            format!("{place}.hubNmae (host.json): {}", meant("hubName")),
            format!("{place}.maxConcurrentActivityFunction (host.json): {}", meant("maxConcurrentActivityFunctions")),
            format!("{place}.zzz (host.json): {unknown}"),
            format!(
                "{place}.storageProvider.type (host.json): there is no store of type azureStorage here: take memory, \
                 sqlite or postgres, or give a backend in code"
            ),
        ]
    );
    let noted: Vec<_> = config.notes().iter().map(|note| note.setting().to_owned()).collect();
    let notes = ["notifications", "storageProvider.partitionCount", "tracing", "useAppLease"];
    assert_eq!(noted, notes.map(|name| format!("{place}.{name}")));
    assert!(config.notes()[1].text().contains("no queues"));
}

#[test]
fn secrets_are_never_shown() {
    let config = HostConfig::builder()
        .json(ours(r#"{ "httpSettings": { "keys": { "ops": "hidden-1" } }, "storageProvider": { "type": "sqlite", "connectionName": "DB" } }"#))
        .vars([("DURABLE__http__keys__more", "hidden-2"), ("DB", "hidden-3"), ("host.master", "hidden-4")])
        .load()
        .unwrap();
    let effective = config.effective();
    assert_eq!(effective.get("httpSettings.keys").unwrap().value(), "master=***, more=***, ops=***");
    let json = serde_json::to_string(&effective).unwrap();
    assert!(
        json.contains(
            r#"{"name":"extensions.durableTask.storageProvider.type","value":"sqlite","source":"host.json"}"#
        )
    );
    for text in [effective.to_string(), json, format!("{effective:?} {config:?} {:?}", config.http())] {
        assert!(!text.contains("hidden"), "{text}");
    }
    assert!(config.http().keys["ops"].to_string() == "***" && effective.to_string().lines().count() > 20);
}
