//! Running activities.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tracing::{Instrument, Span};

use super::Shared;
use crate::activity::{ActivityCallInfo, ActivityContext};
use crate::engine::ActivityWork;
use crate::model::{FailureDetails, NameList};
use crate::replay::LeafResult;

/// Runs activities until there are none any more.
pub(super) async fn take_activities(shared: Arc<Shared>, slots: Arc<Semaphore>) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Some(work) = shared.source.next_activity().await else { return };
        let worker = Arc::clone(&shared);
        shared.running.spawn(async move {
            worker.run_activity(work).await;
            drop(slot);
        });
    }
}

impl Shared {
    async fn run_activity(&self, work: ActivityWork) {
        let result = tokio::select! {
            result = self.invoke(work.clone()) => result,
            () = self.abort.cancelled() => return self.source.abandon_activity(work).await,
        };
        if let Err(error) = self.source.complete_activity(work.lease, result).await {
            let instance = &work.call.instance;
            tracing::debug!(%instance, %error, "the result of an activity is not wanted any more");
        }
    }

    async fn invoke(&self, work: ActivityWork) -> LeafResult {
        let name = work.call.name.clone();
        let Some(program) = self.registry.activity(&name) else {
            let known = self.registry.activity_names();
            let message = format!("there is no activity '{name}'; registered are: {}", NameList(&known));
            return Err(FailureDetails::new("ActivityTaskNotFound", message).non_retriable());
        };
        let span = activity_span(&work.call);
        let ctx = ActivityContext::new(work.call, self.state.clone(), work.cancellation);
        // The call itself is inside: a closure may panic before it gives its future.
        let run = async { program(ctx, work.input).await };
        match AssertUnwindSafe(run).catch_unwind().instrument(span).await {
            Ok(result) => result,
            Err(panic) => Err(FailureDetails::from_panic(panic)),
        }
    }
}

/// What everything that an activity logs carries.
fn activity_span(call: &ActivityCallInfo) -> Span {
    let ActivityCallInfo { instance, name, task_id, delivery, .. } = call;
    tracing::info_span!(target: "durable", "activity", %instance, function = %name, task_id = task_id.0, delivery)
}
