//! Running activities.

use std::future::ready;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::task::Poll;

use futures_util::{FutureExt, poll};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::{Instrument, Span};

use super::Shared;
use super::heartbeats::Heartbeats;
use crate::BoxFuture;
use crate::activity::{ActivityCallInfo, ActivityContext};
use crate::engine::{ActivityWork, Clock, TurnWork};
use crate::history::TaskOptions;
use crate::model::{FailureDetails, NameList, Payload, TIMEOUT_ERROR_TYPE, Timestamp};
use crate::replay::LeafResult;

/// Runs activities until there are none any more.
pub(super) async fn take_activities(shared: Arc<Shared>, slots: Arc<Semaphore>) {
    while let Ok(slot) = Arc::clone(&slots).acquire_owned().await {
        let Some(work) = shared.source.next_activity().await else { return };
        shared.running.spawn(Arc::clone(&shared).run_activity(work, slot));
    }
}

impl Shared {
    /// As small as a task can be, since it is copied while it is spawned.
    #[expect(clippy::manual_async_fn, reason = "an async function keeps its arguments twice")]
    fn run_activity(
        self: Arc<Self>,
        work: ActivityWork,
        slot: OwnedSemaphorePermit,
    ) -> impl Future<Output = ()> + Send {
        async move {
            let beats = Heartbeats::new(Arc::clone(&self.source), work.lease.clone(), work.progress.clone());
            let beats = Arc::new(beats);
            let mut running = self.invoke(&work, Arc::clone(&beats));
            // Many need no second poll, and so nobody who watches over them.
            let result = match poll!(running.as_mut()) {
                Poll::Ready(result) => {
                    // With it goes the span, which the turn below is no part of.
                    drop(running);
                    Some(result)
                }
                Poll::Pending => Box::pin(self.watch(&work, &beats, running)).await,
            };
            let Some(result) = result else {
                return self.source.abandon_activity(work).await;
            };
            // The turn that follows can begin here: nobody needs to be woken for it.
            let turn_slot = Arc::clone(&self.turn_slots).try_acquire_owned().ok();
            let next = self.complete(work, result, turn_slot.is_some());
            drop(slot);
            if let (Some(next), Some(slot)) = (next, turn_slot) {
                self.run_turn(next, slot).await;
            }
        }
    }

    /// Waits for the result of an activity, unless that takes too long; `None` when the worker ends before.
    async fn watch(
        &self,
        work: &ActivityWork,
        beats: &Heartbeats,
        running: BoxFuture<'_, LeafResult>,
    ) -> Option<LeafResult> {
        tokio::select! {
            biased;
            result = running => Some(result),
            failure = self.overdue(work, beats) => {
                // Whatever of it still runs, on a thread or in a task of its own, is told.
                work.cancellation.cancel();
                Some(Err(failure))
            }
            () = self.abort.cancelled() => None,
        }
    }

    fn complete(&self, work: ActivityWork, result: LeafResult, goes_on: bool) -> Option<TurnWork> {
        let result = result.and_then(|output| self.check_size(&work, output));
        let instance = work.call.instance;
        self.source.complete_activity(work.lease, result, goes_on).unwrap_or_else(|error| {
            tracing::debug!(%instance, %error, "the result of an activity is not wanted any more");
            None
        })
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

    fn invoke(&self, work: &ActivityWork, beats: Arc<Heartbeats>) -> BoxFuture<'static, LeafResult> {
        let name = &work.call.name;
        let Some(program) = self.registry.activity(name) else {
            let known = self.registry.activity_names();
            let message = format!("there is no activity '{name}'; registered are: {}", NameList(&known));
            let failure = FailureDetails::new("ActivityTaskNotFound", message).non_retriable();
            return Box::pin(ready(Err(failure)));
        };
        let span = activity_span(&work.call);
        let ctx = ActivityContext::new(work.call.clone(), self.state.clone(), work.cancellation.clone());
        let (ctx, input) = (ctx.with_reporter(beats), work.input.clone());
        // The call itself is inside: a closure may panic before it gives its future.
        let run = AssertUnwindSafe(async move { program(ctx, input).await }).catch_unwind();
        let run = run.map(|ended| ended.unwrap_or_else(|panic| Err(FailureDetails::from_panic(panic))));
        Box::pin(run.instrument(span))
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
