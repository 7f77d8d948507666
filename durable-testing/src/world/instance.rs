//! One instance of a world.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{ClientError, ControlRequest, DurableClient, InstanceStatus, WaitUntil};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, FailureDetails, InstanceId, Payload, RuntimeStatus};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::core::Core;
use super::deadlock::Deadlock;
use crate::or_fail::OrFail as _;

/// An instance of a world, whose output is an `O`. Its methods do at once what those of a client wait for.
pub struct Instance<O> {
    core: Arc<Core>,
    id: InstanceId,
    output: PhantomData<fn() -> O>,
}

impl<O> Instance<O> {
    pub(super) fn new(core: Arc<Core>, id: InstanceId) -> Self {
        Self { core, id, output: PhantomData }
    }

    pub(super) fn core(&self) -> &Core {
        &self.core
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &InstanceId {
        &self.id
    }

    /// Its present state.
    ///
    /// # Panics
    ///
    /// When there is no such instance.
    #[must_use]
    #[track_caller]
    pub fn status(&self) -> InstanceStatus {
        self.core.object();
        match self.core.status(&self.id) {
            Ok(Some(status)) => status,
            Ok(None) => panic!("there is no instance '{}'", self.id),
            Err(error) => panic!("the state of '{}' cannot be read: {error:?}", self.id),
        }
    }

    /// Whether it runs, has completed, and so on.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status).
    #[must_use]
    #[track_caller]
    pub fn runtime_status(&self) -> RuntimeStatus {
        self.status().runtime_status
    }

    /// True when it has come to its end, in whatever way.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status).
    #[must_use]
    #[track_caller]
    pub fn is_finished(&self) -> bool {
        self.runtime_status().is_terminal()
    }

    /// What it has set last with `ctx.set_custom_status`.
    ///
    /// # Panics
    ///
    /// As [`status`](Self::status), and when the custom status is no `T`.
    #[must_use]
    #[track_caller]
    pub fn custom_status<T: DeserializeOwned>(&self) -> Option<T> {
        let status = self.status().custom_status?;
        Some(status.decode().or_fail(|error| format!("the custom status of '{}': {error}", self.id)))
    }

    /// Sends an external event.
    ///
    /// # Panics
    ///
    /// When the instance is finished or not there, and when the payload has no JSON form.
    #[track_caller]
    pub fn raise<T: Serialize + ?Sized>(&self, name: &str, payload: &T) {
        let name = EventName::new(name).or_fail(|error| error.to_string());
        let payload = Payload::encode(payload).or_fail(|error| format!("the payload has no JSON form: {error}"));
        self.tell("be sent an event", |client| client.raise_event(&self.id, name.clone(), payload.clone()));
    }

    /// Ends it.
    ///
    /// # Panics
    ///
    /// When it is finished or not there.
    #[track_caller]
    pub fn terminate(&self, reason: &str) {
        let request = ControlRequest::new(Some(reason.to_owned()));
        self.tell("be terminated", |client| client.terminate(&self.id, request.clone()));
    }

    /// Pauses it.
    ///
    /// # Panics
    ///
    /// When it is finished or not there.
    #[track_caller]
    pub fn suspend(&self, reason: &str) {
        let request = ControlRequest::new(Some(reason.to_owned()));
        self.tell("be suspended", |client| client.suspend(&self.id, request.clone()));
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// When it is finished or not there.
    #[track_caller]
    pub fn resume(&self, reason: &str) {
        let request = ControlRequest::new(Some(reason.to_owned()));
        self.tell("be resumed", |client| client.resume(&self.id, request.clone()));
    }

    /// Takes its failure back.
    ///
    /// # Panics
    ///
    /// When it has not failed, or its code does not fit its history.
    #[track_caller]
    pub fn rewind(&self, reason: &str) {
        let reason = Some(reason.to_owned());
        self.tell("be rewound", |client| client.rewind(&self.id, reason.clone()));
    }

    #[track_caller]
    fn tell(
        &self,
        what: &str,
        tell: impl for<'c> Fn(&'c dyn DurableClient) -> BoxFuture<'c, Result<(), ClientError>> + Send,
    ) {
        if let Err(error) = self.core.ask(tell, || Some(())) {
            panic!("'{}' cannot {what}: {error:?}", self.id);
        }
        self.core.object();
    }

    /// The history of its current execution. [`executions`](Self::executions) has those before it as well.
    ///
    /// # Panics
    ///
    /// When there is no such instance.
    #[must_use]
    #[track_caller]
    pub fn history(&self) -> Vec<HistoryEvent> {
        self.core.object();
        match self.core.time.run(self.core.inner_client().history(&self.id)) {
            Ok(Some(history)) => history,
            Ok(None) => panic!("there is no instance '{}'", self.id),
            Err(error) => panic!("the history of '{}' cannot be read: {error:?}", self.id),
        }
    }

    /// Lets time pass until it is finished.
    ///
    /// # Errors
    ///
    /// Nothing is due any more, and it is not finished: what each live instance waits for.
    ///
    /// # Panics
    ///
    /// When there is no such instance, and when a check fails meanwhile.
    #[track_caller]
    pub fn run_until_complete(&self) -> Result<InstanceStatus, Deadlock> {
        let waited = self.core.wait(&self.id, WaitUntil::Finished, None);
        self.core.object();
        match waited {
            Ok(_) => Ok(self.status()),
            Err(_) => Err(Deadlock::of(&self.core)),
        }
    }

    /// Lets time pass until it is finished, at most so much. True when it is finished.
    ///
    /// # Panics
    ///
    /// As [`run_until_complete`](Self::run_until_complete).
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it does something, and a test may not care what came of it")]
    pub fn run_for(&self, time: Duration) -> bool {
        let waited = self.core.wait(&self.id, WaitUntil::Finished, Some(time));
        self.core.object();
        if let Err(error) = waited {
            panic!("'{}' cannot be waited for: {error:?}", self.id);
        }
        self.is_finished()
    }

    /// Lets time pass until it has failed, and gives the error.
    ///
    /// # Panics
    ///
    /// When it ends in another way, or never.
    #[must_use]
    #[track_caller]
    pub fn failure(&self) -> FailureDetails {
        let status = self.run_until_complete().or_fail(|deadlock| deadlock.to_string());
        status.failure.or_fail(|()| format!("'{}' has not failed, it is {}", self.id, status.runtime_status))
    }
}

impl<O: DeserializeOwned> Instance<O> {
    /// Lets time pass until it is finished, and gives its output.
    ///
    /// # Panics
    ///
    /// When it does not complete, or its output is no `O`.
    #[must_use]
    #[track_caller]
    pub fn output(&self) -> O {
        let status = self.run_until_complete().or_fail(|deadlock| deadlock.to_string());
        let why = match (&status.failure, &status.termination_reason) {
            (Some(failure), _) => format!(": {failure:#}"),
            (None, Some(reason)) => format!(": {reason}"),
            (None, None) => String::new(),
        };
        assert!(
            status.runtime_status == RuntimeStatus::Completed,
            "'{}' has not completed, it is {}{why}",
            self.id,
            status.runtime_status
        );
        let output = status.output.unwrap_or_else(Payload::null);
        output.decode().or_fail(|error| format!("the output of '{}': {error}", self.id))
    }
}

impl<O> Clone for Instance<O> {
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.core), self.id.clone())
    }
}

impl<O> fmt::Debug for Instance<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Instance").field("id", &self.id).finish_non_exhaustive()
    }
}
