//! What is wrong with a configuration is told all at once, and exactly.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

use std::error::Error as _;

use durable_core::config::{ConfigError, HostConfig, HostConfigBuilder, MistakeKind, Source};

fn ours(settings: &str) -> String {
    format!(r#"{{ "extensions": {{ "durableTask": {settings} }} }}"#)
}

fn refused(builder: HostConfigBuilder) -> ConfigError {
    builder.load().unwrap_err()
}

fn lines(error: &ConfigError) -> Vec<String> {
    error.mistakes().iter().map(ToString::to_string).collect()
}

/// The one mistake of one setting, without the path and the source.
fn rule(settings: &str) -> String {
    let error = refused(HostConfig::builder().json(ours(settings)));
    assert_eq!(error.mistakes().len(), 1, "{error}");
    error.mistakes()[0].rule().to_owned()
}

#[test]
fn all_mistakes_are_told_at_once() {
    let error = refused(
        HostConfig::builder()
            .json(ours(
                r#"{ "hubName": "my-hub", "maxConcurrentActivityFunctions": "many", "useAppLease": 7,
                    "versionMatchStrategy": "Newest", "storageProvider": { "connectionName": "Server=x;Password=hidden" },
                    "httpSettings": { "keys": { "ops": "", "none": "%KEY%" }, "publicOrigin": "https://u:hidden@x" } }"#,
            ))
            .vars([
                ("DURABLE__extendedSessionsEnabled", "yes"),
                ("AzureFunctionsJobHost__functionTimeout", "300"),
                ("PORT", "http"),
            ]),
    );
    let place = "extensions.durableTask";
    assert_eq!(
        lines(&error),
        [
            format!("{place}.httpSettings.listen = \"http\" (environment PORT): it must be a port, from 0 to 65535"),
            format!(
                "{place}.hubName = \"my-hub\" (host.json): it must be 3 to 45 letters and digits, the first of them a letter"
            ),
            format!(
                "{place}.versionMatchStrategy = \"Newest\" (host.json): it must be one of None, Strict, CurrentOrOlder"
            ),
            format!(
                "{place}.maxConcurrentActivityFunctions = \"many\" (host.json): it must be a whole number from 1 to 4294967295"
            ),
            format!(
                "{place}.extendedSessionsEnabled = \"yes\" (environment DURABLE__extendedSessionsEnabled): it must be true \
                 or false"
            ),
            format!(
                "{place}.storageProvider.connectionName = *** (host.json): it must be the name of an environment variable \
                 that has the path or the URL, not these themselves"
            ),
            format!(
                "{place}.httpSettings.publicOrigin = *** (host.json): it must be http or https, a host, perhaps a port and a path, \
                 such as \"https://example.com\""
            ),
            format!("{place}.httpSettings.keys.none = *** (host.json): the environment variable KEY is not set"),
            format!("{place}.httpSettings.keys.ops = *** (host.json): keys are names with texts that are not empty"),
            "functionTimeout = \"300\" (environment AzureFunctionsJobHost__functionTimeout): it must be a time such as \
             \"00:10:00\" or \"1.00:00:00\", or -1 for no limit"
                .to_owned(),
        ]
    );
    assert!(!error.is_file() && error.source().is_none());
    let text = format!("{error} {error:?} {:?}", error.mistakes());
    assert!(
        text.starts_with("the configuration has 10 mistakes:\n  extensions.") && !text.contains("hidden"),
        "{text}"
    );
}

#[test]
fn a_variable_that_is_not_set_is_named_with_the_setting() {
    let error = refused(HostConfig::builder().json(ours(r#"{ "hubName": "%STAGE%Hub" }"#)));
    let mistake = &error.mistakes()[0];
    assert_eq!(mistake.kind(), &MistakeKind::UnsetVariable { variable: "STAGE".to_owned() });
    assert_eq!((mistake.setting(), mistake.value()), ("extensions.durableTask.hubName", Some("\"%STAGE%Hub\"")));
    assert_eq!(mistake.source(), &Source::File("host.json".to_owned()));
}

#[test]
fn numbers_are_whole_positive_and_not_huge() {
    for value in
        ["0", "-1", "1.5", "1e3", "4294967296", "99999999999999999999999", "true", "\"\"", "\"1 000\"", "\"+5\""]
    {
        let rule = rule(&format!(r#"{{ "maxConcurrentActivityFunctions": {value} }}"#));
        assert_eq!(rule, "it must be a whole number from 1 to 4294967295", "{value}");
    }
    let error = refused(HostConfig::builder().json(ours(r#"{ "maxOrchestrationActions": 1e999 }"#)));
    assert!(error.is_file() && error.to_string().contains("number out of range"), "{error}");
    let error = refused(HostConfig::builder().vars([("DURABLE__maxOrchestrationActions", "9".repeat(200))]));
    assert!(error.mistakes()[0].value().unwrap().ends_with("999…"), "long values are shortened");
}

#[test]
fn values_must_be_of_their_type() {
    for (settings, expected) in [
        (r#"{ "defaultVersion": 1.10 }"#, "it must be text of 1 to 64 bytes, in quotes"),
        (r#"{ "hubName": { "name": "x" } }"#, "it must be 3 to 45 letters and digits, the first of them a letter"),
        (r#"{ "hubName": [] }"#, "it must be 3 to 45 letters and digits, the first of them a letter"),
        (r#"{ "httpSettings": "x" }"#, "it must be an object"),
        (r#"{ "storageProvider": [] }"#, "it must be an object"),
        ("5", "it must be an object"),
        (r#"{ "httpSettings": { "keys": "x" } }"#, "keys are names with texts that are not empty"),
        (r#"{ "httpSettings": { "keys": { "a": 5 } } }"#, "keys are names with texts that are not empty"),
        (r#"{ "httpSettings": { "readOnly": 1 } }"#, "it must be true or false"),
        (
            r#"{ "httpSettings": { "listen": "nowhere" } }"#,
            "it must be a text such as \"127.0.0.1:7071\", or \"7071\" for the port alone",
        ),
        (
            r#"{ "httpSettings": { "listen": 7071 } }"#,
            "it must be a text such as \"127.0.0.1:7071\", or \"7071\" for the port alone",
        ),
        (
            r#"{ "httpSettings": { "signedLinks": 0 } }"#,
            "it must be a number of seconds above 0, or a time such as \"00:10:00\"",
        ),
        (
            r#"{ "httpSettings": { "trustedProxies": ["10.0.0.0/8", "proxy"] } }"#,
            "it must be IP addresses, or networks such as \"10.0.0.0/8\"",
        ),
        (
            r#"{ "storageProvider": { "type": "redis" } }"#,
            "it must be one of memory, sqlite, postgres, azureStorage, mssql, netherite, azureManaged",
        ),
    ] {
        assert_eq!(rule(settings), expected, "{settings}");
    }
}

#[test]
fn a_name_that_stands_there_twice_is_found() {
    for settings in [
        r#"{ "hubName": "One", "hubname": "Two" }"#,
        r#"{ "storageProvider": { "connectionName": "A", "connectionStringName": "A" } }"#,
    ] {
        let error = refused(HostConfig::builder().json(ours(settings)));
        assert_eq!(error.mistakes()[0].kind(), &MistakeKind::Twice, "{error}");
    }
}

#[test]
fn a_text_that_is_no_object_is_told_with_its_place() {
    let error = refused(HostConfig::builder().json("{ // a comment\n  \"a\": tru }").vars([("DURABLE__hubName", "-")]));
    assert_eq!(error.mistakes().len(), 2, "mistakes in the environment are told, too");
    assert!(error.is_file() && error.source().is_some());
    assert!(lines(&error)[0].starts_with("host.json: it is no JSON: expected ident at line 2 column"), "{error}");
    for text in ["[]", "5", "\"x\"", "null"] {
        let error = refused(HostConfig::builder().json(text));
        assert_eq!(lines(&error), ["host.json: it must be a JSON object"], "{text}");
        assert_eq!(error.mistakes()[0].kind(), &MistakeKind::Syntax);
    }
}

#[test]
fn a_file_that_cannot_be_read_is_told_with_its_path() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("host.json");
    let shown = path.display();
    let error = refused(HostConfig::builder().file(&path));
    let cause = error.source().unwrap();
    assert_eq!(lines(&error), [format!("{shown}: it cannot be read: {cause}")]);
    assert_eq!(format!("{error:?}"), error.to_string(), "the cause is told once");
    assert!(error.source().unwrap().downcast_ref::<std::io::Error>().is_some());
    HostConfig::builder().optional_file(&path).load().unwrap();

    std::fs::create_dir(&path).unwrap();
    for builder in [HostConfig::builder().file(&path), HostConfig::builder().optional_file(&path)] {
        let error = refused(builder);
        assert_eq!(lines(&error), [format!("{shown}: it is a directory, not a file")]);
        assert_eq!(error.mistakes()[0].kind(), &MistakeKind::Unreadable);
    }
    std::fs::remove_dir(&path).unwrap();

    std::fs::write(&path, [b'{', 0xff, b'}']).unwrap();
    let error = refused(HostConfig::builder().file(&path));
    assert!(lines(&error)[0].starts_with(&format!("{shown}: it is no UTF-8 text: invalid utf-8")), "{error}");

    std::fs::write(&path, ours(r#"{ "hubName": "-" }"#)).unwrap();
    let error = refused(HostConfig::builder().file(&path));
    assert_eq!(error.mistakes()[0].source(), &Source::File(shown.to_string()));
    assert!(
        error.to_string().starts_with("the configuration has a mistake: extensions.durableTask.hubName"),
        "{error}"
    );
}
