//! Running activities.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::Semaphore;
use tracing::{Instrument, Span};

use super::Shared;
use super::heartbeats::Heartbeats;
use crate::activity::{ActivityCallInfo, ActivityContext};
use crate::engine::{ActivityWork, Clock};
use crate::history::TaskOptions;
use crate::model::{FailureDetails, NameList, Payload, TIMEOUT_ERROR_TYPE, Timestamp};
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
        let beats = Heartbeats::new(Arc::clone(&self.source), work.lease.clone(), work.progress.clone());
        let cancellation = work.cancellation.clone();
        let result = tokio::select! {
            biased;
            result = self.invoke(work.clone(), beats.clone()) => result,
            failure = self.overdue(&work, &beats) => {
                // Whatever of it still runs, on a thread or in a task of its own, is told.
                cancellation.cancel();
                Err(failure)
            }
            () = self.abort.cancelled() => return self.source.abandon_activity(work).await,
        };
        let result = result.and_then(|output| self.check_size(&work, output));
        if let Err(error) = self.source.complete_activity(work.lease, result).await {
            let instance = &work.call.instance;
            tracing::debug!(%instance, %error, "the result of an activity is not wanted any more");
        }
    }

    /// Completes when the activity has taken longer than it may.
    async fn overdue(&self, work: &ActivityWork, beats: &Heartbeats) -> FailureDetails {
        let TaskOptions { timeout, heartbeat_timeout, .. } = work.options;
        let timeout = timeout.or(self.options.activity_timeout);
        let name = &work.call.name;
        let started = self.clock.now();
        let whole = async {
            match timeout {
                Some(timeout) => sleep_until(&*self.clock, started.saturating_add(timeout)).await,
                None => std::future::pending().await,
            }
            FailureDetails::new(
                TIMEOUT_ERROR_TYPE,
                format!("activity '{name}' took longer than {:?}", timeout.unwrap_or_default()),
            )
        };
        let silence = async {
            let Some(longest) = heartbeat_timeout else { return std::future::pending().await };
            loop {
                let beat = beats.count();
                sleep_until(&*self.clock, self.clock.now().saturating_add(longest)).await;
                if beats.count() == beat {
                    let message = format!("activity '{name}' gave no heartbeat for {longest:?}");
                    return FailureDetails::new(TIMEOUT_ERROR_TYPE, message);
                }
            }
        };
        tokio::select! {
            failure = whole => failure,
            failure = silence => failure,
        }
    }

    fn check_size(&self, work: &ActivityWork, output: Payload) -> LeafResult {
        let size = output.as_str().len() as u64;
        let what = || format!("the result of activity '{}'", work.call.name);
        match self.options.limits.payload.check(size, "bytes", what) {
            Ok(()) => Ok(output),
            Err(error) => Err(FailureDetails::from_error("LimitExceeded", &error).non_retriable()),
        }
    }

    async fn invoke(&self, work: ActivityWork, beats: Heartbeats) -> LeafResult {
        let name = work.call.name.clone();
        let Some(program) = self.registry.activity(&name) else {
            let known = self.registry.activity_names();
            let message = format!("there is no activity '{name}'; registered are: {}", NameList(&known));
            return Err(FailureDetails::new("ActivityTaskNotFound", message).non_retriable());
        };
        let span = activity_span(&work.call);
        let ctx = ActivityContext::new(work.call, self.state.clone(), work.cancellation).with_reporter(Arc::new(beats));
        // The call itself is inside: a closure may panic before it gives its future.
        let run = async { program(ctx, work.input).await };
        match AssertUnwindSafe(run).catch_unwind().instrument(span).await {
            Ok(result) => result,
            Err(panic) => Err(FailureDetails::from_panic(panic)),
        }
    }
}

async fn sleep_until(clock: &dyn Clock, at: Timestamp) {
    while clock.now() < at {
        clock.sleep_until(at).await;
    }
}

/// What everything that an activity logs carries.
fn activity_span(call: &ActivityCallInfo) -> Span {
    let ActivityCallInfo { instance, name, task_id, attempt, delivery, .. } = call;
    let task_id = task_id.0;
    tracing::info_span!(target: "durable", "activity", %instance, function = %name, task_id, attempt, delivery)
}
