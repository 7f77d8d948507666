//! The futures of activity calls and event waits.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::de::DeserializeOwned;

use crate::failure::OrchestratorError;
use crate::model::{EventName, FailureDetails, FunctionName, Payload};
use crate::replay::{LeafId, ReplayHandle};

/// What a durable future of the code holds on to.
pub(super) enum Hold {
    /// A leaf that the code has not taken yet.
    Leaf(LeafId),
    /// The call was refused before it became durable.
    Refused(FailureDetails),
    /// Made outside the orchestrator's code, taken, or given up: it never resolves.
    Nothing,
}

impl Hold {
    pub(super) fn new(leaf: Option<LeafId>) -> Self {
        leaf.map_or(Self::Nothing, Self::Leaf)
    }

    pub(super) fn poll(&mut self, handle: &ReplayHandle, cx: &Context<'_>) -> Poll<Result<Payload, FailureDetails>> {
        let result = match std::mem::replace(self, Self::Nothing) {
            Self::Leaf(leaf) => match handle.poll_leaf(leaf, cx) {
                Poll::Ready(result) => result,
                Poll::Pending => {
                    *self = Self::Leaf(leaf);
                    return Poll::Pending;
                }
            },
            Self::Refused(failure) => Err(failure),
            Self::Nothing => return Poll::Pending,
        };
        Poll::Ready(result)
    }

    pub(super) fn release(&mut self, handle: &ReplayHandle) {
        if let Self::Leaf(leaf) = std::mem::replace(self, Self::Nothing) {
            handle.drop_leaf(leaf);
        }
    }
}

/// A call of an activity. It runs from the moment it was made; awaiting it gives its result.
///
/// Dropping it before it is done cancels the activity, best-effort: one that has not started never will, one that runs is
/// told through its context. [`detach`](Self::detach) lets it run on its own.
#[must_use = "dropping a call cancels it: await it, or `.detach()` it"]
pub struct ActivityCall<T> {
    handle: ReplayHandle,
    name: Option<FunctionName>,
    hold: Hold,
    output: PhantomData<fn() -> T>,
}

impl<T> ActivityCall<T> {
    pub(super) fn new(handle: ReplayHandle, name: FunctionName, leaf: Option<LeafId>) -> Self {
        Self { handle, name: Some(name), hold: Hold::new(leaf), output: PhantomData }
    }

    pub(super) fn refused(handle: ReplayHandle, failure: FailureDetails) -> Self {
        Self { handle, name: None, hold: Hold::Refused(failure), output: PhantomData }
    }

    /// Gives the result up and lets the activity run, also beyond the end of the orchestration.
    pub fn detach(mut self) {
        if let Hold::Leaf(leaf) = std::mem::replace(&mut self.hold, Hold::Nothing) {
            self.handle.detach_leaf(leaf);
        }
    }
}

impl<T: DeserializeOwned> Future for ActivityCall<T> {
    type Output = Result<T, OrchestratorError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let result = ready!(this.hold.poll(&this.handle, cx));
        Poll::Ready(match (result, &this.name) {
            (Ok(payload), name) => payload.decode().map_err(|error| {
                let name = name.as_ref().map_or("", |name| name.as_str());
                let cause = FailureDetails::from_error("InvalidPayload", &error);
                let message = format!("the result of activity '{name}' is no `{}`", std::any::type_name::<T>());
                FailureDetails::new("InvalidResult", message).non_retriable().caused_by(cause).into()
            }),
            (Err(failure), Some(name)) => Err(task_failed(name, failure).into()),
            (Err(refusal), None) => Err(refusal.into()),
        })
    }
}

/// The failure of a call: which activity failed, with the activity's own failure as its cause.
fn task_failed(name: &FunctionName, failure: FailureDetails) -> FailureDetails {
    let mut outer = FailureDetails::new("TaskFailed", format!("activity '{name}' failed"));
    outer.is_non_retriable = failure.is_non_retriable;
    outer.retry_after = failure.retry_after;
    outer.caused_by(failure)
}

impl<T> Drop for ActivityCall<T> {
    fn drop(&mut self) {
        self.hold.release(&self.handle);
    }
}

impl<T> fmt::Debug for ActivityCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivityCall").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A wait for an external event. It stands in the queue from the moment it was made.
#[must_use = "dropping a wait takes it out of the queue: await it"]
pub struct EventWait<T> {
    handle: ReplayHandle,
    name: Option<EventName>,
    hold: Hold,
    output: PhantomData<fn() -> T>,
}

impl<T> EventWait<T> {
    pub(super) fn new(handle: ReplayHandle, leaf: Option<LeafId>, name: EventName) -> Self {
        Self { handle, name: Some(name), hold: Hold::new(leaf), output: PhantomData }
    }

    pub(super) fn refused(handle: ReplayHandle, failure: FailureDetails) -> Self {
        Self { handle, name: None, hold: Hold::Refused(failure), output: PhantomData }
    }
}

impl<T: DeserializeOwned> Future for EventWait<T> {
    type Output = Result<T, OrchestratorError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let payload = match ready!(this.hold.poll(&this.handle, cx)) {
            Ok(payload) => payload,
            Err(failure) => return Poll::Ready(Err(failure.into())),
        };
        Poll::Ready(payload.decode().map_err(|error| {
            let name = this.name.as_ref().map_or("", |name| name.as_str());
            let cause = FailureDetails::from_error("InvalidPayload", &error);
            let message = format!("the payload of event '{name}' is no `{}`", std::any::type_name::<T>());
            FailureDetails::new("InvalidEvent", message).non_retriable().caused_by(cause).into()
        }))
    }
}

impl<T> Drop for EventWait<T> {
    fn drop(&mut self) {
        self.hold.release(&self.handle);
    }
}

impl<T> fmt::Debug for EventWait<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventWait").field("name", &self.name).finish_non_exhaustive()
    }
}
