//! Making the attempts of a call.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;

use super::RetryPolicy;
use crate::BoxFuture;
use crate::model::{FailureDetails, TaskId};
use crate::orchestration::hold::{RawCall, Template};
use crate::orchestration::{OrchestrationContext, Timer};
use crate::replay::{ReplayHandle, Resolution};

/// What a retry handler learns of a failure.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RetryContext {
    /// The context of the orchestrator that made the call.
    pub ctx: OrchestrationContext,
    /// How many attempts have failed.
    pub attempt: u32,
    /// The failure of the last one.
    pub failure: FailureDetails,
    /// The time since the first one began.
    pub total_time: Duration,
}

type Handler = Arc<dyn Fn(RetryContext) -> BoxFuture<'static, bool> + Send + Sync>;

/// Who decides whether there is another attempt.
enum Judge {
    Policy { policy: RetryPolicy, factor: f64 },
    Handler(Handler),
}

/// Lets a policy decide about the failures of a call.
pub(in crate::orchestration) fn with_policy(call: &mut RawCall, policy: RetryPolicy) {
    drive(call, Judge::Policy { policy, factor: 1.0 });
}

/// Lets a handler decide about the failures of a call.
pub(in crate::orchestration) fn with_handler<H, R>(call: &mut RawCall, handler: H)
where
    H: Fn(RetryContext) -> R + Send + Sync + 'static,
    R: Future<Output = bool> + Send + 'static,
{
    drive(call, Judge::Handler(Arc::new(move |context| Box::pin(handler(context)))));
}

fn drive(call: &mut RawCall, judge: Judge) {
    let (Some(first), Some(template)) = (call.task(), call.share_template()) else { return };
    let handle = call.handle().clone();
    call.drive(|call| Attempts { started: handle.now(), handle, first, template, judge }.run(call));
}

/// A call and what is needed to make it again.
struct Attempts {
    handle: ReplayHandle,
    first: TaskId,
    started: crate::model::Timestamp,
    template: Arc<Mutex<Template>>,
    judge: Judge,
}

impl Attempts {
    async fn run(mut self, mut call: RawCall) -> Resolution {
        let mut attempt = 1;
        loop {
            let failure = match Pin::new(&mut call).await {
                Ok(value) => return Ok(value),
                Err(failure) => failure,
            };
            if failure.is_non_retriable || !self.is_repeated(attempt, &failure).await {
                return Err(failure);
            }
            attempt = attempt.saturating_add(1);
            call = RawCall::again(&self.handle, &self.template, attempt, self.first);
        }
    }

    /// Decides about a failure, and waits until it is time for the next attempt.
    async fn is_repeated(&mut self, attempt: u32, failure: &FailureDetails) -> bool {
        let total_time = self.handle.now().saturating_since(self.started);
        let delay = match &mut self.judge {
            Judge::Policy { policy, factor } => {
                if !policy.wants_more(attempt, total_time, failure) {
                    return false;
                }
                let interval = policy.interval(*factor);
                // One product for each attempt: powers are rounded differently on different machines.
                *factor *= policy.backoff;
                let interval = shorten(&self.handle, self.first, interval, policy.jitter);
                interval.max(failure.retry_after.unwrap_or_default())
            }
            Judge::Handler(handler) => {
                let ctx = OrchestrationContext::new(self.handle.clone());
                let context = RetryContext { ctx, attempt, failure: failure.clone(), total_time };
                let handler = Arc::clone(handler);
                let answer = AssertUnwindSafe(async move { handler(context).await }).catch_unwind().await;
                return answer.unwrap_or_else(|panic| {
                    drop(FailureDetails::from_panic(panic));
                    false
                });
            }
        };
        let fire_at = self.handle.now().saturating_add(delay);
        let source = self.template.lock().source();
        if let Some(source) = source {
            let timer = self.handle.create_timer(fire_at, source);
            Timer::new(self.handle.clone(), fire_at, timer).await;
        }
        true
    }
}

/// An interval less its random part. Each call has numbers of its own, so that other calls do not shift them.
fn shorten(handle: &ReplayHandle, first: TaskId, interval: Duration, jitter: f64) -> Duration {
    if jitter <= 0.0 {
        return interval;
    }
    let part = 1.0 - jitter * handle.rng(&format!("retry:{}", first.0)).next_f64();
    Duration::try_from_secs_f64(interval.as_secs_f64() * part).unwrap_or(interval)
}
