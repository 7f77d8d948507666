//! Limits of a local engine.

use std::time::Duration;

use crate::model::{IdReusePolicy, Limits, Retention};

/// How much a local engine holds in memory, and how patient it is.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EngineOptions {
    /// The most idle instances whose state stays in memory.
    pub warm_instances: usize,
    /// The most instances with something to do whose state is in memory. New ones beyond that wait in the store.
    pub busy_instances: usize,
    /// The most activity calls that this process holds, waiting or running; at least twice as many as run at once. Further
    /// ones stay in the store until there is room.
    pub local_activities: usize,
    /// The most new events of one turn.
    pub events_per_turn: usize,
    /// The most writes that share a flush.
    pub writes_per_commit: usize,
    /// How often an activity is handed out before it counts as poison, and how often an owner of an instance may die
    /// without committing a turn before the instance does.
    pub max_deliveries: u32,
    /// What happens when the id of a start is taken and the start does not say it.
    pub id_reuse: IdReusePolicy,
    /// How long finished instances are kept.
    pub retention: Retention,
    /// How large inputs and events may become.
    pub limits: Limits,
    /// How often a worker shows that it lives, in a store that several share. It counts as dead after three times that.
    pub heartbeat_interval: Duration,
    /// The longest pause between two attempts to commit when the store fails.
    pub commit_retry_ceiling: Duration,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            warm_instances: 10_000,
            busy_instances: 20_000,
            local_activities: 524_288,
            events_per_turn: 1_000,
            writes_per_commit: 1_024,
            max_deliveries: 10,
            id_reuse: IdReusePolicy::default(),
            retention: Retention::default(),
            limits: Limits::default(),
            heartbeat_interval: Duration::from_secs(3),
            commit_retry_ceiling: Duration::from_secs(5),
        }
    }
}
