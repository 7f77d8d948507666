//! How an orchestrator's context reaches the state of its execution.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use uuid::Uuid;

use super::guid::guid;
use super::leaf::{LeafId, Resolution};
use super::random::{DurableRng, Streams};
use super::state::{Dropped, Issued, State};
use super::waker::RootWaker;
use crate::BoxFuture;
use crate::history::{Action, ExecutionHeader};
use crate::model::{
    EventName, FailureDetails, Limit, LimitExceeded, Limits, Payload, SourceLocation, TaskId, Timestamp,
};

/// The durable calls that an orchestrator's code can make. Cloning is cheap.
///
/// Calls made outside the orchestrator's own code, for example from a task that it spawned, do nothing and fail the next
/// turn.
#[derive(Clone)]
pub struct ReplayHandle {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) header: Arc<ExecutionHeader>,
    pub(super) limits: Limits,
    pub(super) state: Mutex<State>,
}

impl ReplayHandle {
    pub(super) fn new(header: Arc<ExecutionHeader>, limits: Limits, root: Arc<RootWaker>) -> Self {
        let state = State::new(root, limits.actions_per_turn);
        Self { shared: Arc::new(Shared { header, limits, state: Mutex::new(state) }) }
    }

    /// Who this execution is.
    #[must_use]
    pub fn header(&self) -> &Arc<ExecutionHeader> {
        &self.shared.header
    }

    /// How large values may become.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.shared.limits
    }

    /// The time of the current turn.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.shared.state.lock().now
    }

    /// True while recorded history is being replayed.
    #[must_use]
    pub fn is_replaying(&self) -> bool {
        self.shared.state.lock().replaying
    }

    /// Takes the next sequence number for an action whose end the code can wait for. `None` outside the orchestrator's
    /// code.
    ///
    /// # Errors
    ///
    /// The turn has too many actions.
    pub fn act(&self, make: impl FnOnce(TaskId) -> Action) -> Result<Option<Issued>, Box<FailureDetails>> {
        let mut state = self.shared.state.lock();
        if !state.is_code_running() {
            return Ok(None);
        }
        state.act(make).map(Some).map_err(|error| Box::new(limit_exceeded(&error)))
    }

    /// Takes the next sequence number for an action that nobody waits for. `None` outside the orchestrator's code.
    ///
    /// # Errors
    ///
    /// The turn has too many actions.
    pub fn emit(&self, make: impl FnOnce(TaskId) -> Action) -> Result<Option<TaskId>, Box<FailureDetails>> {
        let mut state = self.shared.state.lock();
        if !state.is_code_running() {
            return Ok(None);
        }
        state.emit(make).map(Some).map_err(|error| Box::new(limit_exceeded(&error)))
    }

    /// Sets a timer. One that the turn has no room for ends the instance: a timer has no other way to fail.
    #[must_use]
    pub fn create_timer(&self, fire_at: Timestamp, source: SourceLocation) -> Option<LeafId> {
        match self.act(|_| Action::CreateTimer { fire_at, source }) {
            Ok(issued) => issued.map(|issued| issued.leaf),
            Err(failure) => {
                self.shared.state.lock().overflow.get_or_insert(*failure);
                None
            }
        }
    }

    /// Changes an action of this turn. False when an earlier turn has committed it.
    pub fn amend(&self, task: TaskId, change: impl FnOnce(&mut Action)) -> bool {
        let mut state = self.shared.state.lock();
        state.is_code_running() && state.amend(task, change)
    }

    /// Takes an action of this turn back. What an earlier turn has committed stays.
    pub fn withdraw(&self, task: TaskId) {
        let mut state = self.shared.state.lock();
        let own_waker = if state.is_code_running() { state.withdraw(task) } else { None };
        drop(state);
        drop(own_waker);
    }

    /// Hosts a future that works for the code, and is polled at every delivery before the code is. Its result resolves the
    /// leaf. Dropping the leaf drops the future, which counts as done by the code. `None` outside the orchestrator's code.
    #[must_use]
    pub fn drive(&self, driver: BoxFuture<'static, Resolution>) -> Option<LeafId> {
        let mut state = self.shared.state.lock();
        state.is_code_running().then(|| state.drive(driver))
    }

    /// Lets a timer end a wait for an event; the wait fails then. A wait that has its event already needs no timer.
    ///
    /// # Errors
    ///
    /// The turn has too many actions.
    pub fn limit_wait(
        &self,
        wait: LeafId,
        fire_at: Timestamp,
        source: SourceLocation,
    ) -> Result<(), Box<FailureDetails>> {
        let mut state = self.shared.state.lock();
        if !state.is_code_running() {
            return Ok(());
        }
        state.limit_wait(wait, fire_at, source).map_err(|error| Box::new(limit_exceeded(&error)))
    }

    /// True when the code may take the new branch of a patch.
    #[must_use]
    pub fn patched(&self, id: &str) -> bool {
        let mut state = self.shared.state.lock();
        if !state.is_code_running() {
            return false;
        }
        state.note_call();
        state.markers.patched(id)
    }

    /// Histories may have the marker of this patch although the code no longer asks for it.
    pub fn deprecate_patch(&self, id: &str) {
        let mut state = self.shared.state.lock();
        if state.is_code_running() {
            state.markers.deprecate(id);
        }
    }

    /// True when the history has become long.
    #[must_use]
    pub fn continue_as_new_suggested(&self) -> bool {
        let mut state = self.shared.state.lock();
        state.is_code_running() && state.markers.is_suggested()
    }

    /// Checks a size against a limit. What lies between the limits is told to the log once, by the live run.
    ///
    /// # Errors
    ///
    /// The size is above the hard limit.
    pub fn check_size(&self, limit: Limit, size: usize, what: impl FnOnce() -> String) -> Result<(), FailureDetails> {
        if size as u64 <= limit.soft {
            return Ok(());
        }
        let limit = if self.is_replaying() { Limit::new(limit.hard, limit.hard) } else { limit };
        limit.check(size as u64, "bytes", what).map_err(|error| limit_exceeded(&error))
    }

    /// Starts to wait for an external event. `None` outside the orchestrator's code.
    #[must_use]
    #[track_caller]
    pub fn wait_for_event(&self, name: &EventName) -> Option<LeafId> {
        let source = SourceLocation::caller();
        let mut state = self.shared.state.lock();
        state.is_code_running().then(|| state.wait_for_event(name, source))
    }

    /// Polls a leaf.
    pub fn poll_leaf(&self, leaf: LeafId, cx: &Context<'_>) -> Poll<Resolution> {
        let mut state = self.shared.state.lock();
        if !state.is_code_running() {
            return Poll::Pending;
        }
        let (result, old_waker) = state.poll_leaf(leaf, cx);
        drop(state);
        drop(old_waker);
        result
    }

    /// The code dropped a leaf that was not taken. Dropping by anybody else, as when the future is evicted, has no effect.
    pub fn drop_leaf(&self, leaf: LeafId) {
        let mut state = self.shared.state.lock();
        let dropped = if state.is_code_running() { state.drop_leaf(leaf) } else { Dropped::default() };
        drop(state);
        drop((dropped.own, dropped.driver));
        if let Some(waker) = dropped.wake {
            waker.wake();
        }
    }

    /// As [`drop_leaf`](Self::drop_leaf), for the leaf of a call that the code has never awaited.
    pub fn drop_unawaited(&self, leaf: LeafId, call: TaskId) {
        {
            let mut state = self.shared.state.lock();
            if state.is_code_running() {
                state.note_unawaited(call);
            }
        }
        self.drop_leaf(leaf);
    }

    /// The code gave a leaf up without cancelling it.
    pub fn detach_leaf(&self, leaf: LeafId) {
        let mut state = self.shared.state.lock();
        let own_waker = if state.is_code_running() { state.detach_leaf(leaf) } else { None };
        drop(state);
        drop(own_waker);
    }

    /// Sets the custom status.
    pub fn set_custom_status(&self, status: Option<Payload>) {
        let mut state = self.shared.state.lock();
        if state.is_code_running() {
            state.custom_status = status;
        }
    }

    /// The next replay-stable GUID.
    #[must_use]
    pub fn new_guid(&self) -> Uuid {
        let mut state = self.shared.state.lock();
        let counter = state.guids;
        if state.is_code_running() {
            state.guids += 1;
        }
        guid(&self.shared.header.instance, state.now, counter)
    }

    /// The random stream of this name.
    #[must_use]
    pub fn rng(&self, stream: &str) -> DurableRng {
        DurableRng::new(self.clone(), stream.to_owned())
    }

    pub(super) fn with_streams<T>(&self, draw: impl FnOnce(&ExecutionHeader, &mut Streams) -> T) -> T {
        let mut state = self.shared.state.lock();
        let _ = state.is_code_running();
        draw(&self.shared.header, &mut state.streams)
    }
}

/// The stored form of an exceeded limit.
pub(super) fn limit_exceeded(error: &LimitExceeded) -> FailureDetails {
    FailureDetails::from_error(LIMIT_EXCEEDED, error).non_retriable()
}

/// The [`FailureDetails::error_type`] of what exceeds a hard limit.
const LIMIT_EXCEEDED: &str = "LimitExceeded";

impl fmt::Debug for ReplayHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayHandle").field("instance", &self.shared.header.instance).finish_non_exhaustive()
    }
}
