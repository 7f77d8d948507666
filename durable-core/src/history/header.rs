//! Who an execution is.

use crate::model::{ExecutionId, FunctionName, InstanceId, Payload, Tags, TaskId, Timestamp, TraceContext, Version};

/// What is known of an execution from its start on, and never changes during it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExecutionHeader {
    /// The instance.
    pub instance: InstanceId,
    /// Its current execution.
    pub execution: ExecutionId,
    /// The orchestrator.
    pub name: FunctionName,
    /// The version of the orchestrator's code.
    pub version: Option<Version>,
    /// The input of this execution.
    pub input: Payload,
    /// Who started it, when that was another orchestration.
    pub parent: Option<ParentInstance>,
    /// Its tags, with those that it inherited.
    pub tags: Tags,
    /// The trace that its start was part of.
    pub trace: Option<TraceContext>,
    /// How often the instance has continued as new.
    pub generation: u32,
    /// When it was to start, if not at once.
    pub scheduled_start: Option<Timestamp>,
}

/// The orchestration that started an instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentInstance {
    /// The instance.
    pub instance: InstanceId,
    /// The execution that made the call.
    pub execution: ExecutionId,
    /// Its orchestrator.
    pub name: FunctionName,
    /// The call that waits for the end of the child; `None` for one that was started and left alone.
    pub task_id: Option<TaskId>,
    /// How many orchestrations stand above the child.
    pub depth: u32,
}

impl ExecutionHeader {
    /// The first execution of an instance without version, parent or tags.
    #[must_use]
    pub fn new(instance: InstanceId, execution: ExecutionId, name: FunctionName, input: Payload) -> Self {
        Self {
            instance,
            execution,
            name,
            version: None,
            input,
            parent: None,
            tags: Tags::new(),
            trace: None,
            generation: 0,
            scheduled_start: None,
        }
    }

    /// How many orchestrations stand above this one.
    #[must_use]
    pub fn depth(&self) -> u32 {
        self.parent.as_ref().map_or(0, |parent| parent.depth)
    }
}
