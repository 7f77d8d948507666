//! What a configuration changes in the description of a hub, and what is left of it at the start.

use crate::config::{Effective, HostConfig, RETAINED};
use crate::engine::EngineOptions;
use crate::model::{IdReusePolicy, TaskHubName};
use crate::worker::{VersionMatch, VersionMismatch, WorkerOptions};

/// Only what the configuration says changes.
pub(super) fn config(
    config: &HostConfig,
    name: &mut TaskHubName,
    engine: &mut EngineOptions,
    worker: &mut WorkerOptions,
) {
    if config.is_set("hubName") {
        *name = config.hub_name().clone();
    }
    set(&mut engine.id_reuse, config.id_reuse());
    set(&mut engine.warm_instances, config.warm_instances());
    set(&mut worker.warm_instances, config.warm_instances());
    set(&mut worker.max_activities, config.max_concurrent_activities());
    set(&mut engine.heartbeat_interval, config.heartbeat_interval());
    set(&mut worker.max_turns, config.max_concurrent_orchestrators());
    set(&mut worker.version_match, config.version_match());
    set(&mut worker.version_mismatch, config.version_failure());
    if let Some(version) = config.default_version() {
        worker.version = Some(version);
    }
    if config.is_set("functionTimeout") {
        worker.activity_timeout = config.function_timeout();
    }
    engine.retention = config.retention(engine.retention);
    engine.limits = config.limits(engine.limits);
    worker.limits = config.limits(worker.limits);
}

fn set<T>(option: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *option = value;
    }
}

/// The settings as they hold, with what the program has changed after it had applied the configuration.
pub(super) fn effective(
    config: &HostConfig,
    name: &TaskHubName,
    engine: &EngineOptions,
    worker: &WorkerOptions,
) -> Effective {
    let mut effective = config.effective();
    effective.in_code("hubName", name);
    effective.in_code("defaultVersion", &worker.version.as_ref().map_or("none", |version| version.as_str()));
    let taken = match worker.version_match {
        VersionMatch::Any => "None",
        VersionMatch::Strict => "Strict",
        VersionMatch::CurrentOrOlder => "CurrentOrOlder",
    };
    effective.in_code("versionMatchStrategy", &taken);
    let failure = match worker.version_mismatch {
        VersionMismatch::Reject => "Reject",
        VersionMismatch::Fail => "Fail",
    };
    effective.in_code("versionFailureStrategy", &failure);
    effective.in_code("maxConcurrentActivityFunctions", &worker.max_activities);
    effective.in_code("maxConcurrentOrchestratorFunctions", &worker.max_turns);
    effective.in_code("maxOrchestrationActions", &worker.limits.actions_per_turn.hard);
    effective.in_code("extendedSessionsEnabled", &(worker.warm_instances > 0));
    let replaced = match engine.id_reuse {
        policy if policy == IdReusePolicy::replace_finished() => "NonRunningStates",
        policy if policy == IdReusePolicy::replace_any() => "AnyState",
        _ => "another policy",
    };
    effective.in_code("overridableExistingInstanceStates", &replaced);
    effective.in_code("payloadStorageThresholdBytes", &worker.limits.payload.soft);
    effective.in_code("payloadStorageMaxPayloadBytes", &worker.limits.payload.hard);
    effective.in_code_duration("storageProvider.heartbeatInterval", Some(engine.heartbeat_interval));
    effective.in_code_duration("functionTimeout", worker.activity_timeout);
    for (name, status) in RETAINED {
        effective.in_code_duration(name, engine.retention.age(status));
    }
    effective
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Source;

    #[test]
    fn the_documented_defaults_are_those_of_the_hub() {
        let config = HostConfig::builder().load().unwrap();
        let (engine, worker) = (EngineOptions::default(), WorkerOptions::default());
        let effective = effective(&config, &TaskHubName::default(), &engine, &worker);
        for setting in effective.settings() {
            assert_eq!(setting.source(), &Source::Default, "{setting}");
        }
    }
}
