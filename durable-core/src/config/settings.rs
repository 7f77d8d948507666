//! Every setting that is known: its name, what it may be, and what becomes of it.

use super::value::{clean_prefix, connection_name, hub_name, listen_address, network, origin, version};

/// One setting.
pub(super) struct Setting {
    /// The path in `host.json`.
    pub(super) path: &'static str,
    pub(super) kind: Kind,
    /// What holds when nobody sets it, for people.
    pub(super) default: &'static str,
}

/// Checks a text, and gives it in its usual form.
pub(super) type Check = fn(&str) -> Option<String>;

/// What a setting may be.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text(Check, &'static str),
    Bool,
    Number {
        least: u64,
        most: u64,
    },
    /// A clock, or -1 for "without limit".
    Limit,
    /// A clock, or a number of seconds.
    Seconds,
    Choice(&'static [&'static str]),
    List(Check, &'static str),
    /// Secrets by name.
    Secrets,
    /// It has no effect here, for this reason; nor has anything in it.
    Ignored(&'static str),
}

impl Setting {
    /// The path in lower case, with colons, and without what all have in common.
    pub(super) fn key(&self) -> String {
        let path = self.path.strip_prefix("extensions.").unwrap_or(self.path);
        path.to_ascii_lowercase().replace('.', ":")
    }

    /// True when it is known to have parts.
    fn has_parts(&self) -> bool {
        matches!(self.kind, Kind::List(..) | Kind::Secrets | Kind::Ignored(_))
    }

    pub(super) fn last_part(&self) -> &'static str {
        self.path.rsplit('.').next().unwrap_or(self.path)
    }
}

const COUNT: Kind = Kind::Number { least: 1, most: u32::MAX as u64 };
const BYTES: Kind = Kind::Number { least: 1, most: i64::MAX as u64 };

const NO_ENTITIES: &str = "there are no entities";
const NO_QUEUES: &str = "the store has no queues, tables or partitions";
const NO_GRPC: &str = "activities and orchestrators run in the process of the hub, without gRPC between them";
const NO_NOTICES: &str = "there are no notifications of lifecycle events";
const NO_LEASE: &str = "the store belongs to one process, which holds a lock on it";
const USE_FILTERS: &str = "what is logged is decided by the program's `tracing` subscriber";

pub(super) const STORES: &[&str] =
    &["memory", "sqlite", "postgres", "azureStorage", "mssql", "netherite", "azureManaged"];

macro_rules! settings {
    ($($path:literal, $kind:expr, $default:expr;)*) => {
        &[$(Setting { path: $path, kind: $kind, default: $default }),*]
    };
}

macro_rules! ignored {
    ($($path:literal, $reason:expr;)*) => {
        &[$(Setting { path: $path, kind: Kind::Ignored($reason), default: "" }),*]
    };
}

const USED: &[Setting] = settings! {
    "extensions.durableTask.hubName", Kind::Text(hub_name, "3 to 45 letters and digits, the first of them a letter"), "TestHubName";
    "extensions.durableTask.defaultVersion", Kind::Text(version, "text of 1 to 64 bytes, in quotes"), "none";
    "extensions.durableTask.versionMatchStrategy", Kind::Choice(&["None", "Strict", "CurrentOrOlder"]), "None";
    "extensions.durableTask.versionFailureStrategy", Kind::Choice(&["Reject", "Fail"]), "Reject";
    "extensions.durableTask.maxConcurrentActivityFunctions", COUNT, "1024";
    "extensions.durableTask.maxConcurrentOrchestratorFunctions", COUNT, "4096";
    "extensions.durableTask.maxOrchestrationActions", COUNT, "250000";
    "extensions.durableTask.extendedSessionsEnabled", Kind::Bool, "true";
    "extensions.durableTask.overridableExistingInstanceStates", Kind::Choice(&["NonRunningStates", "AnyState"]), "NonRunningStates";
    "extensions.durableTask.retention.all", Kind::Limit, "-1";
    "extensions.durableTask.retention.completed", Kind::Limit, "-1";
    "extensions.durableTask.retention.failed", Kind::Limit, "-1";
    "extensions.durableTask.retention.canceled", Kind::Limit, "-1";
    "extensions.durableTask.retention.terminated", Kind::Limit, "-1";
    "extensions.durableTask.storageProvider.type", Kind::Choice(STORES), "none";
    "extensions.durableTask.storageProvider.connectionName", Kind::Text(connection_name, "the name of an environment variable that has the path or the URL, not these themselves"), "none";
    "extensions.durableTask.storageProvider.payloadStorageEnabled", Kind::Bool, "true";
    "extensions.durableTask.storageProvider.payloadStorageThresholdBytes", BYTES, "1048576";
    "extensions.durableTask.storageProvider.payloadStorageMaxPayloadBytes", BYTES, "67108864";
    "extensions.durableTask.storageProvider.heartbeatInterval", Kind::Seconds, "00:00:03";
    "extensions.durableTask.httpSettings.useForwardedHost", Kind::Bool, "false";
    "extensions.durableTask.httpSettings.publicOrigin", Kind::Text(origin, "http or https, a host, perhaps a port and a path, such as \"https://example.com\""), "none";
    "extensions.durableTask.httpSettings.trustedProxies", Kind::List(network, "IP addresses, or networks such as \"10.0.0.0/8\""), "none";
    "extensions.durableTask.httpSettings.keys", Kind::Secrets, "none";
    "extensions.durableTask.httpSettings.listen", Kind::Text(listen_address, "a text such as \"127.0.0.1:7071\", or \"7071\" for the port alone"), "127.0.0.1:7071";
    "extensions.durableTask.httpSettings.allowPublic", Kind::Bool, "false";
    "extensions.durableTask.httpSettings.readOnly", Kind::Bool, "false";
    "extensions.durableTask.httpSettings.signedLinks", Kind::Seconds, "none";
    "extensions.http.routePrefix", Kind::Text(clean_prefix, "a path of letters, digits and - . _ ~ / only, or nothing"), "api";
    "functionTimeout", Kind::Limit, "-1";
};

const IGNORED: &[Setting] = ignored! {
    "extensions.durableTask.allowReplayingTerminalInstances", "an instance that has ended is never replayed";
    "extensions.durableTask.appLeaseOptions", NO_LEASE;
    "extensions.durableTask.entityMessageReorderWindowInMinutes", NO_ENTITIES;
    "extensions.durableTask.extendedSessionIdleTimeoutInSeconds", "instances stay in memory until others need the room";
    "extensions.durableTask.grpcHttpClientTimeout", NO_GRPC;
    "extensions.durableTask.httpSettings.defaultAsyncRequestSleepTimeMilliseconds", "orchestrators make no HTTP requests of their own";
    "extensions.durableTask.localRpcEndpointEnabled", NO_GRPC;
    "extensions.durableTask.logReplayEvents", USE_FILTERS;
    "extensions.durableTask.maxConcurrentEntityFunctions", NO_ENTITIES;
    "extensions.durableTask.maxEntityOperationBatchSize", NO_ENTITIES;
    "extensions.durableTask.maxGrpcMessageSizeInBytes", NO_GRPC;
    "extensions.durableTask.notifications", NO_NOTICES;
    "extensions.durableTask.notificationUrl", NO_NOTICES;
    "extensions.durableTask.rollbackEntityOperationsOnExceptions", NO_ENTITIES;
    "extensions.durableTask.storageProvider.controlQueueBatchSize", NO_QUEUES;
    "extensions.durableTask.storageProvider.controlQueueBufferThreshold", NO_QUEUES;
    "extensions.durableTask.storageProvider.controlQueueVisibilityTimeout", NO_QUEUES;
    "extensions.durableTask.storageProvider.fetchLargeMessagesAutomatically", "inputs and outputs stand in the store as they are";
    "extensions.durableTask.storageProvider.maxQueuePollingInterval", "nothing polls";
    "extensions.durableTask.storageProvider.partitionCount", NO_QUEUES;
    "extensions.durableTask.storageProvider.queueClientMessageEncoding", NO_QUEUES;
    "extensions.durableTask.storageProvider.trackingStoreConnectionName", NO_QUEUES;
    "extensions.durableTask.storageProvider.trackingStoreConnectionStringName", NO_QUEUES;
    "extensions.durableTask.storageProvider.trackingStoreNamePrefix", NO_QUEUES;
    "extensions.durableTask.storageProvider.useLegacyPartitionManagement", NO_QUEUES;
    "extensions.durableTask.storageProvider.useTablePartitionManagement", NO_QUEUES;
    "extensions.durableTask.storageProvider.workItemQueueVisibilityTimeout", NO_QUEUES;
    "extensions.durableTask.storeInputsInOrchestrationHistory", "inputs are always stored";
    "extensions.durableTask.throwStatusExceptionsOnRaiseEvent", "an event for an instance that does not exist or has ended is always an error";
    "extensions.durableTask.traceInputsAndOutputs", USE_FILTERS;
    "extensions.durableTask.tracing", USE_FILTERS;
    "extensions.durableTask.useAppLease", NO_LEASE;
    "extensions.durableTask.useGracefulShutdown", "a shutdown always lets running work come to an end";
};

/// All of them.
pub(super) fn all() -> impl Iterator<Item = &'static Setting> {
    USED.iter().chain(IGNORED)
}

/// Those that have an effect.
pub(super) fn used() -> impl Iterator<Item = &'static Setting> {
    USED.iter()
}

/// The setting of this key, or the one that the key is a part of.
pub(super) fn of_key(key: &str) -> Option<&'static Setting> {
    all().find(|setting| {
        let rest = key.strip_prefix(setting.key().as_str());
        rest.is_some_and(|rest| rest.is_empty() || (rest.starts_with(':') && setting.has_parts()))
    })
}

/// True when settings stand in a section of this key.
pub(super) fn is_section(key: &str) -> bool {
    key == "extensions"
        || all().any(|setting| setting.key().strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
}

/// The settings and sections that stand in the section of this key, as paths.
pub(super) fn inside(section: &str) -> impl Iterator<Item = &'static str> {
    all().filter_map(move |setting| {
        let key = setting.key();
        let rest = key.strip_prefix(section)?.strip_prefix(':')?;
        let behind = rest.find(':').map_or(0, |end| rest.len() - end);
        Some(&setting.path[..setting.path.len() - behind])
    })
}

/// True when an empty text is a value for this key, and not the lack of one.
pub(super) fn may_be_empty(key: &str) -> bool {
    of_key(key).is_some_and(|setting| matches!(setting.kind, Kind::Text(check, _) if check("").is_some()))
}

/// The key of a path from the root of a `host.json`; none for what is not ours.
pub(super) fn key_of_path(path: &[String]) -> Option<String> {
    let folded: Vec<_> = path.iter().map(|part| part.to_ascii_lowercase()).collect();
    let parts: Vec<_> = folded.iter().map(String::as_str).collect();
    let key = match parts.as_slice() {
        ["functiontimeout", rest @ ..] | ["extensions", "durabletask", "functiontimeout", rest @ ..] => {
            ["functiontimeout"].iter().chain(rest).copied().collect()
        }
        ["http", "routeprefix", rest @ ..]
        | ["extensions", "http", "routeprefix", rest @ ..]
        | ["extensions", "durabletask", "http" | "httpsettings", "routeprefix", rest @ ..] => {
            ["http", "routeprefix"].iter().chain(rest).copied().collect()
        }
        ["extensions", "durabletask", "http", rest @ ..] => {
            ["durabletask", "httpsettings"].iter().chain(rest).copied().collect()
        }
        ["extensions", "durabletask", "storageprovider", "connectionstringname", rest @ ..] => {
            ["durabletask", "storageprovider", "connectionname"].iter().chain(rest).copied().collect()
        }
        ["extensions", "durabletask", ..] => parts[1..].to_vec(),
        ["extensions"] => vec!["extensions"],
        _ => return None,
    };
    Some(key.join(":"))
}

/// The path of a key as the documentation spells it; as it is written, when the key is not known.
pub(super) fn spelling(key: &str, written: &[String]) -> String {
    let Some(setting) = of_key(key) else { return written.join(".") };
    let deeper = key[setting.key().len()..].matches(':').count();
    let parts = written[written.len() - deeper.min(written.len())..].iter().map(String::as_str);
    [setting.path].into_iter().chain(parts).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('.').map(str::to_owned).collect()
    }

    #[test]
    fn a_path_has_a_key_in_all_its_forms() {
        for (written, key) in [
            ("extensions.durableTask.hubName", "durabletask:hubname"),
            ("Extensions.DurableTask.HUBNAME", "durabletask:hubname"),
            ("extensions.durableTask.http.keys.Ops", "durabletask:httpsettings:keys:ops"),
            (
                "extensions.durableTask.storageProvider.connectionStringName",
                "durabletask:storageprovider:connectionname",
            ),
            ("extensions.http.routePrefix", "http:routeprefix"),
            ("http.routePrefix", "http:routeprefix"),
            ("extensions.durableTask.http.routePrefix", "http:routeprefix"),
            ("functionTimeout", "functiontimeout"),
            ("extensions.durableTask.functionTimeout", "functiontimeout"),
            ("extensions.durableTask", "durabletask"),
        ] {
            assert_eq!(key_of_path(&path(written)).as_deref(), Some(key), "{written}");
        }
        for other in ["logging.console", "extensions.queues.batchSize", "extensions.http.hsts", "version"] {
            assert_eq!(key_of_path(&path(other)), None, "{other}");
        }
    }

    #[test]
    fn every_setting_is_found_by_its_own_path() {
        for setting in all() {
            let key = key_of_path(&path(setting.path)).unwrap();
            assert_eq!(key, setting.key());
            assert_eq!(of_key(&key).unwrap().path, setting.path);
            assert_eq!(spelling(&key, &path(&setting.path.to_uppercase())), setting.path);
        }
        assert_eq!(
            spelling("durabletask:httpsettings:keys:ops", &path("EXTENSIONS.DURABLETASK.HTTP.KEYS.Ops")),
            "extensions.durableTask.httpSettings.keys.Ops"
        );
    }

    #[test]
    fn the_documentation_has_every_setting() {
        let text = include_str!("../docs/config.md");
        for setting in all() {
            let short = setting.path.strip_prefix("extensions.durableTask.").unwrap_or(setting.path);
            assert!(text.contains(&format!("`{short}`")), "docs/config.md does not have `{short}`");
        }
        for setting in used().filter(|setting| setting.default != "none") {
            let short = setting.path.strip_prefix("extensions.durableTask.").unwrap_or(setting.path);
            let row = text.lines().find(|line| line.contains(&format!("| `{short}`"))).unwrap();
            assert!(row.contains(&format!("`{}`", setting.default)), "the default of `{short}`: {row}");
        }
    }
}
