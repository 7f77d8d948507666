//! A configuration that was read and checked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::builder::{HostConfigBuilder, Values};
use super::effective::{Effective, EffectiveSetting};
use super::environment::Variables;
use super::error::ConfigError;
use super::http::{HttpSettings, Secret};
use super::layers::Source;
use super::remark::Remark;
use super::settings;
use super::storage::StorageType;
use super::value::Value;
use crate::model::{IdReusePolicy, Limit, Limits, Retention, RuntimeStatus, TaskHubName, Version};
use crate::worker::{VersionMatch, VersionMismatch};

/// The settings that say how long finished instances of one status are kept.
pub(crate) const RETAINED: [(&str, RuntimeStatus); 4] = [
    ("retention.completed", RuntimeStatus::Completed),
    ("retention.failed", RuntimeStatus::Failed),
    ("retention.canceled", RuntimeStatus::Canceled),
    ("retention.terminated", RuntimeStatus::Terminated),
];

/// The settings of a deployment, from `host.json` and the environment. See the [module](crate::config) for all of them.
///
/// ```
/// use durable_core::config::{HostConfig, Source};
///
/// let config = HostConfig::builder()
///     .json(r#"{ "extensions": { "durableTask": { "hubName": "Shop", "maxConcurrentActivityFunctions": 20 } } }"#)
///     .vars([("DURABLE__hubName", "ShopTest")])
///     .load()?;
/// assert_eq!(config.hub_name().as_str(), "ShopTest");
/// assert_eq!(config.max_concurrent_activities(), Some(20));
///
/// let effective = config.effective();
/// let name = effective.get("hubName").unwrap();
/// assert_eq!(name.source(), &Source::Environment("DURABLE__hubName".to_owned()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct HostConfig {
    values: Values,
    hub_name: TaskHubName,
    /// What the variable of `connectionName` has, or its name when it is not set.
    connection: Option<Result<Secret, String>>,
    http: HttpSettings,
    warnings: Vec<Remark>,
    notes: Vec<Remark>,
}

impl HostConfig {
    /// Reads `host.json` in the current directory, if there is one, and the environment of the process.
    ///
    /// ```no_run
    /// use durable_core::config::HostConfig;
    /// use durable_core::prelude::*;
    ///
    /// # async fn doc() -> Result<(), Box<dyn std::error::Error>> {
    /// let hub = TaskHub::builder().config(&HostConfig::load()?).discover().start().await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ConfigError`] has every mistake that there is.
    pub fn load() -> Result<Self, ConfigError> {
        Self::builder().optional_file("host.json").process_vars().load()
    }

    /// Says where a configuration comes from. Without more, it has nothing but defaults.
    pub fn builder() -> HostConfigBuilder {
        HostConfigBuilder::default()
    }

    pub(super) fn new(values: Values, variables: &Variables, mut warnings: Vec<Remark>, notes: Vec<Remark>) -> Self {
        let found = Found(&values);
        let name = found.text("hubName").and_then(|name| TaskHubName::new(name).ok());
        let connection = found.text("storageProvider.connectionName").map(|name| {
            let value = variables.filled(name).map(Secret::new);
            value.ok_or_else(|| name.to_owned())
        });
        let http = found.http();
        warnings.extend(found.warnings(variables));
        Self { hub_name: name.unwrap_or_default(), connection, http, values, warnings, notes }
    }

    fn found(&self) -> Found<'_> {
        Found(&self.values)
    }

    /// True when somebody has set this: a path, or what follows `extensions.durableTask.` in it.
    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.found().get(name).is_some()
    }

    /// The name of the hub: `hubName`, else one made of `WEBSITE_SITE_NAME`, else `TestHubName`.
    #[must_use]
    pub fn hub_name(&self) -> &TaskHubName {
        &self.hub_name
    }

    /// `defaultVersion`.
    #[must_use]
    pub fn default_version(&self) -> Option<Version> {
        Version::new(self.found().text("defaultVersion")?).ok()
    }

    /// `versionMatchStrategy`. With a `defaultVersion` and nothing else it is [`VersionMatch::CurrentOrOlder`], as in the
    /// Durable Functions extension.
    #[must_use]
    pub fn version_match(&self) -> Option<VersionMatch> {
        match self.found().text("versionMatchStrategy") {
            Some("None") => Some(VersionMatch::Any),
            Some("Strict") => Some(VersionMatch::Strict),
            Some(_) => Some(VersionMatch::CurrentOrOlder),
            None => self.default_version().map(|_| VersionMatch::CurrentOrOlder),
        }
    }

    /// `versionFailureStrategy`.
    #[must_use]
    pub fn version_failure(&self) -> Option<VersionMismatch> {
        let strategy = self.found().text("versionFailureStrategy")?;
        Some(if strategy == "Fail" { VersionMismatch::Fail } else { VersionMismatch::Reject })
    }

    /// `maxConcurrentActivityFunctions`.
    #[must_use]
    pub fn max_concurrent_activities(&self) -> Option<usize> {
        self.found().count("maxConcurrentActivityFunctions")
    }

    /// `maxConcurrentOrchestratorFunctions`: turns at once.
    #[must_use]
    pub fn max_concurrent_orchestrators(&self) -> Option<usize> {
        self.found().count("maxConcurrentOrchestratorFunctions")
    }

    /// `maxOrchestrationActions`: calls, timers, children and messages of one turn.
    #[must_use]
    pub fn max_orchestration_actions(&self) -> Option<u64> {
        self.found().number("maxOrchestrationActions")
    }

    /// How many waiting instances stay in memory: none when `extendedSessionsEnabled` is false.
    #[must_use]
    pub fn warm_instances(&self) -> Option<usize> {
        (self.found().bool("extendedSessionsEnabled") == Some(false)).then_some(0)
    }

    /// `overridableExistingInstanceStates`: what a start does with an id that is taken.
    #[must_use]
    pub fn id_reuse(&self) -> Option<IdReusePolicy> {
        let states = self.found().text("overridableExistingInstanceStates")?;
        Some(if states == "AnyState" { IdReusePolicy::replace_any() } else { IdReusePolicy::replace_finished() })
    }

    /// `functionTimeout`: how long one attempt of an activity may take when its call does not say it; none for no limit.
    #[must_use]
    pub fn function_timeout(&self) -> Option<Duration> {
        self.found().duration("functionTimeout")
    }

    /// This retention with what is configured: `retention.all`, and then what is said for one status.
    #[must_use]
    pub fn retention(&self, mut retention: Retention) -> Retention {
        let found = self.found();
        let age = |name: &str| found.get(name).map(|_| found.duration(name));
        if let Some(all) = age("retention.all") {
            retention = all.map_or_else(Retention::new, Retention::all);
        }
        if let Some(completed) = age("retention.completed") {
            retention = retention.completed(completed);
        }
        if let Some(failed) = age("retention.failed") {
            retention = retention.failed(failed);
        }
        if let Some(canceled) = age("retention.canceled") {
            retention = retention.canceled(canceled);
        }
        if let Some(terminated) = age("retention.terminated") {
            retention = retention.terminated(terminated);
        }
        retention
    }

    /// These limits with what is configured: `maxOrchestrationActions`, and the sizes of payloads unless
    /// `payloadStorageEnabled` is false.
    #[must_use]
    pub fn limits(&self, mut limits: Limits) -> Limits {
        let found = self.found();
        if let Some(most) = self.max_orchestration_actions() {
            limits.actions_per_turn = Limit::new(limits.actions_per_turn.soft, most);
        }
        if found.bool("storageProvider.payloadStorageEnabled") != Some(false) {
            let soft = found.number("storageProvider.payloadStorageThresholdBytes");
            let hard = found.number("storageProvider.payloadStorageMaxPayloadBytes");
            // A threshold alone that is above the limit takes the limit along.
            let hard = hard.unwrap_or(limits.payload.hard.max(soft.unwrap_or(0)));
            limits.payload = Limit::new(soft.unwrap_or(limits.payload.soft), hard);
        }
        limits
    }

    /// `storageProvider.heartbeatInterval`: how often a process shows that it lives, in a store that several share.
    #[must_use]
    pub fn heartbeat_interval(&self) -> Option<Duration> {
        self.found().duration("storageProvider.heartbeatInterval")
    }

    /// `storageProvider.type`.
    #[must_use]
    pub fn storage_type(&self) -> Option<StorageType> {
        self.found().text("storageProvider.type").map(StorageType::from_name)
    }

    /// `storageProvider.connectionName`: what the variable has, or the name of the variable when it is not set.
    pub(super) fn connection(&self) -> Option<Result<&str, &str>> {
        Some(self.connection.as_ref()?.as_ref().map(Secret::expose).map_err(String::as_str))
    }

    /// The settings of the HTTP API.
    #[must_use]
    pub fn http(&self) -> &HttpSettings {
        &self.http
    }

    /// Settings that are not known, and others that may surprise.
    #[must_use]
    pub fn warnings(&self) -> &[Remark] {
        &self.warnings
    }

    /// Settings that are known and have no effect here, with the reason.
    #[must_use]
    pub fn notes(&self) -> &[Remark] {
        &self.notes
    }

    /// Writes warnings and notes to the log.
    pub fn log(&self) {
        for warning in &self.warnings {
            tracing::warn!(target: "durable", setting = warning.setting(), source = %warning.source(), "{}", warning.text());
        }
        for note in &self.notes {
            tracing::info!(target: "durable", setting = note.setting(), source = %note.source(), "{}", note.text());
        }
    }

    /// Every setting that has an effect, with its source. Secrets are masked.
    #[must_use]
    pub fn effective(&self) -> Effective {
        let settings = settings::used().map(|setting| {
            let name = setting.path;
            match self.values.get(name) {
                Some((value, source)) => EffectiveSetting { name, value: value.to_string(), source: source.clone() },
                None => EffectiveSetting { name, value: setting.default.to_owned(), source: Source::Default },
            }
        });
        let mut effective = Effective { settings: settings.collect() };
        if self.found().text("versionMatchStrategy").is_none() && self.default_version().is_some() {
            effective.imply("versionMatchStrategy", "CurrentOrOlder");
        }
        // One of the two may push the other.
        let Limits { payload, .. } = self.limits(Limits::default());
        effective.imply("payloadStorageThresholdBytes", &payload.soft.to_string());
        effective.imply("payloadStorageMaxPayloadBytes", &payload.hard.to_string());
        let retention = self.retention(Retention::new());
        for (name, status) in RETAINED {
            effective.imply(name, &Value::Duration(retention.age(status)).to_string());
        }
        effective
    }

    /// Writes every setting that has an effect to the log, in one event. A hub that was given this configuration does it at
    /// its start, with what the program changed.
    pub fn log_effective(&self) {
        self.effective().log();
    }
}

impl fmt::Debug for HostConfig {
    /// Without secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for setting in self.effective().settings() {
            map.entry(&setting.name(), &setting.value());
        }
        map.finish()
    }
}

/// Values by the last parts of their paths.
struct Found<'a>(&'a Values);

impl<'a> Found<'a> {
    fn get(&self, name: &str) -> Option<&'a (Value, Source)> {
        debug_assert!(settings::used().any(|setting| setting.path.ends_with(name)), "there is no setting `{name}`");
        let short = self.0.get(format!("extensions.durableTask.{name}").as_str());
        short.or_else(|| self.0.get(name))
    }

    fn text(&self, name: &str) -> Option<&'a str> {
        match self.get(name) {
            Some((Value::Text(text), _)) => Some(text),
            _ => None,
        }
    }

    fn bool(&self, name: &str) -> Option<bool> {
        match self.get(name) {
            Some((Value::Bool(value), _)) => Some(*value),
            _ => None,
        }
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some((Value::Number(number), _)) => Some(*number),
            _ => None,
        }
    }

    fn count(&self, name: &str) -> Option<usize> {
        self.number(name).map(|number| usize::try_from(number).unwrap_or(usize::MAX))
    }

    fn duration(&self, name: &str) -> Option<Duration> {
        match self.get(name) {
            Some((Value::Duration(duration), _)) => *duration,
            _ => None,
        }
    }

    fn list(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some((Value::List(list), _)) => list.clone(),
            _ => Vec::new(),
        }
    }

    fn secrets(&self, name: &str) -> BTreeMap<String, Secret> {
        match self.get(name) {
            Some((Value::Secrets(secrets), _)) => secrets.clone(),
            _ => BTreeMap::new(),
        }
    }

    fn http(&self) -> HttpSettings {
        let text = |name: &str| self.text(name).map(str::to_owned);
        let is_on = |name: &str| self.bool(name).unwrap_or_default();
        HttpSettings {
            route_prefix: text("extensions.http.routePrefix").unwrap_or_else(|| "api".to_owned()),
            use_forwarded_host: is_on("httpSettings.useForwardedHost"),
            public_origin: text("httpSettings.publicOrigin"),
            trusted_proxies: self.list("httpSettings.trustedProxies"),
            keys: self.secrets("httpSettings.keys"),
            listen: text("httpSettings.listen").unwrap_or_else(|| "127.0.0.1:7071".to_owned()),
            allow_public: is_on("httpSettings.allowPublic"),
            read_only: is_on("httpSettings.readOnly"),
            signed_links: self.duration("httpSettings.signedLinks"),
        }
    }

    /// What is allowed, and likely not meant.
    fn warnings(&self, variables: &Variables) -> Vec<Remark> {
        let mut warnings = Vec::new();
        let in_slot = variables.filled("WEBSITE_SLOT_NAME").filter(|slot| !slot.eq_ignore_ascii_case("Production"));
        let by_site = Source::Environment("WEBSITE_SITE_NAME".to_owned());
        let source = self.get("hubName").map_or(&Source::Default, |(_, source)| source);
        if in_slot.is_some() && (*source == Source::Default || *source == by_site) {
            let text = "this is a deployment slot: without a name of its own, its hub is that of production";
            warnings.push(Remark::new("extensions.durableTask.hubName", source.clone(), text));
        }
        if let Some((Value::Text(name), source)) = self.get("storageProvider.type")
            && let StorageType::Foreign(name) = StorageType::from_name(name)
        {
            let text = format!(
                "there is no store of type {name} here: take memory, sqlite or postgres, or give a backend in code"
            );
            warnings.push(Remark::new("extensions.durableTask.storageProvider.type", source.clone(), text));
        }
        warnings
    }
}
