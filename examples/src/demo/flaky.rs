//! A failure that a rewind repairs.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use durable_core::model::InstanceId;
use durable_core::prelude::*;

/// The instances whose delivery has failed once. It is kept in memory: after a restart of the demo, each fails once more.
#[derive(Clone, Default)]
pub(super) struct Outage(Arc<Mutex<HashSet<InstanceId>>>);

impl Outage {
    /// True the first time an instance asks.
    fn hits(&self, id: &InstanceId) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(id.clone())
    }
}

#[activity]
pub(super) async fn deliver(ctx: ActivityContext, State(outage): State<Outage>) -> Result<String, ActivityError> {
    if outage.hits(ctx.instance_id()) {
        return Err(ActivityError::msg("the road is closed"));
    }
    Ok("delivered".to_owned())
}

/// Fails at first, and completes when it is rewound.
#[orchestrator]
pub(super) async fn flaky(ctx: OrchestrationContext) -> Result<String, OrchestratorError> {
    ctx.call_activity(deliver, ()).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_rewind_repairs_it() {
        let hub = crate::demo::functions(TaskHub::builder()).backend(Memory::new()).start().await.unwrap();
        let run = hub.client().start(flaky, ()).await.unwrap();
        let error = run.output().await.unwrap_err();
        assert_eq!(format!("{:#}", error.details()), "activity 'deliver' failed: the road is closed");
        hub.client().rewind(run.id(), "the road is open").await.unwrap();
        assert_eq!(run.output().await.unwrap(), "delivered");
    }
}
