//! Where the ids of new instances and executions come from.

use crate::model::{ExecutionId, InstanceId};

/// Where an engine takes new ids from. Tests put one of their own here, which gives the same ids in every run.
///
/// No id may be given to two instances of a store, or to two executions. One that was asked for may stay unused: the write of it may
/// fail.
pub trait IdSource: Send + Sync + 'static {
    /// The id of a new instance whose start names none.
    fn instance(&self) -> InstanceId;

    /// The id of a new execution of an instance. Its random numbers follow from it.
    fn execution(&self, instance: &InstanceId) -> ExecutionId;

    /// As [`execution`](Self::execution), for an instance that a client starts. Several starts of one instance may be under way at
    /// the same time, of which the store takes one: each must have an id of its own.
    fn started(&self, instance: &InstanceId) -> ExecutionId {
        self.execution(instance)
    }
}

/// Ids that no other process has: those of instances can be sorted by the time of their making.
#[derive(Debug, Clone, Copy, Default)]
pub struct UniqueIds;

impl IdSource for UniqueIds {
    fn instance(&self) -> InstanceId {
        InstanceId::generate()
    }

    fn execution(&self, _instance: &InstanceId) -> ExecutionId {
        ExecutionId::generate()
    }
}
