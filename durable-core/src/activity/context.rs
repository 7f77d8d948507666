//! What an activity knows about its call.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio_util::sync::CancellationToken;

use super::{HeartbeatError, MissingState, ProgressReporter, StateMap};
use crate::model::{ExecutionId, FunctionName, InstanceId, InvalidPayload, Payload, TaskId, TraceContext};

/// The context of one run of an activity. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ActivityContext {
    inner: Arc<Inner>,
}

struct Inner {
    call: ActivityCallInfo,
    state: StateMap,
    cancellation: CancellationToken,
    reporter: Option<Arc<dyn ProgressReporter>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("call", &self.call).field("state", &self.state).finish_non_exhaustive()
    }
}

/// The identity of a call, as the engine gives it to a worker.
#[derive(Debug, Clone)]
pub struct ActivityCallInfo {
    /// The calling instance.
    pub instance: InstanceId,
    /// Its execution.
    pub execution: ExecutionId,
    /// The name of the activity.
    pub name: FunctionName,
    /// The sequence number of the call within the execution.
    pub task_id: TaskId,
    /// The first attempt of a retried call; the call itself otherwise.
    pub first_attempt: TaskId,
    /// Which attempt of a retried call this is, from 1.
    pub attempt: u32,
    /// How often this call was handed to a worker, counting this time.
    pub delivery: u32,
    /// The trace of the calling instance.
    pub trace: Option<TraceContext>,
}

impl ActivityContext {
    /// The context of a call that a worker received.
    #[must_use]
    pub fn new(call: ActivityCallInfo, state: StateMap, cancellation: CancellationToken) -> Self {
        Self { inner: Arc::new(Inner { call, state, cancellation, reporter: None }) }
    }

    /// This context, with a place for heartbeats. Without one they are accepted and forgotten.
    #[must_use]
    pub fn with_reporter(self, reporter: Arc<dyn ProgressReporter>) -> Self {
        let Inner { call, state, cancellation, .. } = &*self.inner;
        let (call, state, cancellation) = (call.clone(), state.clone(), cancellation.clone());
        Self { inner: Arc::new(Inner { call, state, cancellation, reporter: Some(reporter) }) }
    }

    /// A context outside any hub, for unit tests of activities.
    #[must_use]
    pub fn detached() -> Self {
        Self::detached_with(StateMap::default())
    }

    /// A context outside any hub that holds some state.
    ///
    /// # Panics
    ///
    /// Never: the names in it are valid.
    #[must_use]
    pub fn detached_with(state: StateMap) -> Self {
        let call = ActivityCallInfo {
            instance: InstanceId::generate(),
            execution: ExecutionId::generate(),
            name: FunctionName::new("detached").expect("a valid name"),
            task_id: TaskId(0),
            first_attempt: TaskId(0),
            attempt: 1,
            delivery: 1,
            trace: None,
        };
        Self::new(call, state, CancellationToken::new())
    }

    /// The instance that made the call.
    #[must_use]
    pub fn instance_id(&self) -> &InstanceId {
        &self.inner.call.instance
    }

    /// The name under which the activity was called.
    #[must_use]
    pub fn name(&self) -> &FunctionName {
        &self.inner.call.name
    }

    /// The sequence number of the call within the orchestration's execution.
    #[must_use]
    pub fn task_id(&self) -> TaskId {
        self.inner.call.task_id
    }

    /// The trace that the start of the calling orchestration was part of, to pass on to other services.
    #[must_use]
    pub fn trace(&self) -> Option<&TraceContext> {
        self.inner.call.trace.as_ref()
    }

    /// Which attempt of a retried call this is, from 1.
    #[must_use]
    pub fn attempt(&self) -> u32 {
        self.inner.call.attempt
    }

    /// How often this call was handed to a worker, counting this time: more than 1 after a crash.
    #[must_use]
    pub fn delivery(&self) -> u32 {
        self.inner.call.delivery
    }

    /// A text that is the same each time this call runs, in every attempt of a retried call too, and differs from every other
    /// call's.
    ///
    /// Give it to the outside world so that a second run of the same call has no second effect.
    #[must_use]
    pub fn idempotency_key(&self) -> String {
        let call = &self.inner.call;
        format!("{}:{}:{}", call.instance, call.execution, call.first_attempt.0)
    }

    /// A clone of the hub's state of type `T`.
    ///
    /// Declare it, as `#[activity(state(T))]` or as a `State<T>` argument, and a hub without it does not start.
    ///
    /// # Errors
    ///
    /// [`MissingState`] when the hub was given none.
    pub fn state<T: Clone + Send + Sync + 'static>(&self) -> Result<T, MissingState> {
        self.inner.state.get().ok_or(MissingState { type_name: std::any::type_name::<T>() })
    }

    /// Tells that the activity is alive, and how far it has come.
    ///
    /// The progress is stored with the call: clients see it in `Client::activities`, and when the process dies, the next run
    /// of the same call finds it in [`progress`](Self::progress). With a heartbeat timeout on the call, an activity that
    /// gives none for so long fails.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn import(ctx: ActivityContext, rows: Vec<String>) -> Result<usize, ActivityError> {
    ///     let done: usize = ctx.progress()?.unwrap_or(0);
    ///     for n in done..rows.len() {
    ///         // ... import rows[n] ...
    ///         ctx.heartbeat(&(n + 1)).await?;
    ///     }
    ///     Ok(rows.len())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// The progress has no JSON form, the result of the activity is not wanted any more, or the store failed.
    pub async fn heartbeat<T: Serialize + ?Sized>(&self, progress: &T) -> Result<(), HeartbeatError> {
        let progress = Payload::encode(progress).map_err(|error| HeartbeatError::new(error.into()))?;
        match &self.inner.reporter {
            Some(reporter) => reporter.report(progress).await,
            None => Ok(()),
        }
    }

    /// What an earlier run of the same call reported last with [`heartbeat`](Self::heartbeat).
    ///
    /// # Errors
    ///
    /// It is no `T`.
    pub fn progress<T: DeserializeOwned>(&self) -> Result<Option<T>, InvalidPayload> {
        self.inner.reporter.as_ref().and_then(|reporter| reporter.last()).map(Payload::decode).transpose()
    }

    /// Completes when the result is no longer wanted: the orchestration dropped the call, or is over.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn cancelled(&self) {
        self.inner.cancellation.cancelled().await;
    }

    /// True when the result is no longer wanted.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.inner.cancellation.is_cancelled()
    }
}
