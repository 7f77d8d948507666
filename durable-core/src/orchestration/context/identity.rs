//! What an orchestrator knows of itself. None of it changes during an execution.

use super::OrchestrationContext;
use crate::history::ParentInstance;
use crate::model::{ExecutionId, FunctionName, InstanceId, Tags, Version};

impl OrchestrationContext {
    /// The id of this instance.
    #[must_use]
    pub fn instance_id(&self) -> &InstanceId {
        &self.handle.header().instance
    }

    /// The name under which this orchestrator was started.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.handle.header().name
    }

    /// The execution of this instance. The next one after continue-as-new has another id.
    #[must_use]
    pub fn execution_id(&self) -> &ExecutionId {
        &self.handle.header().execution
    }

    /// How often this instance has continued as new.
    #[must_use]
    pub fn generation(&self) -> u32 {
        self.handle.header().generation
    }

    /// The version in which this instance was started.
    #[must_use]
    pub fn version(&self) -> Option<&Version> {
        self.handle.header().version.as_ref()
    }

    /// The tags of this instance, with those that it inherited.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[orchestrator]
    /// async fn tenant(ctx: OrchestrationContext) -> Result<Option<String>, OrchestratorError> {
    ///     Ok(ctx.tags().get("tenant").map(str::to_owned))
    /// }
    /// ```
    #[must_use]
    pub fn tags(&self) -> &Tags {
        &self.handle.header().tags
    }

    /// The orchestration that started this one, if one did.
    #[must_use]
    pub fn parent_instance(&self) -> Option<&ParentInstance> {
        self.handle.header().parent.as_ref()
    }
}
