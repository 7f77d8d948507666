//! How an orchestrator's context reaches the state of its execution.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use uuid::Uuid;

use super::guid::guid;
use super::leaf::{LeafId, LeafResult};
use super::random::{DurableRng, Streams};
use super::state::{Dropped, State};
use crate::history::{Action, ExecutionHeader};
use crate::model::{EventName, Limits, Payload, Timestamp};

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
    pub(super) fn new(header: Arc<ExecutionHeader>, limits: Limits) -> Self {
        let streams = Streams::new(&header.instance, &header.execution);
        Self { shared: Arc::new(Shared { header, limits, state: Mutex::new(State::new(streams)) }) }
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

    /// Takes the next sequence number for an action. `None` outside the orchestrator's code.
    #[must_use]
    pub fn act(&self, action: Action) -> Option<LeafId> {
        let mut state = self.shared.state.lock();
        state.is_code_running().then(|| state.act(action))
    }

    /// Starts to wait for an external event. `None` outside the orchestrator's code.
    #[must_use]
    pub fn wait_for_event(&self, name: &EventName) -> Option<LeafId> {
        let mut state = self.shared.state.lock();
        state.is_code_running().then(|| state.wait_for_event(name))
    }

    /// Polls a leaf.
    pub fn poll_leaf(&self, leaf: LeafId, cx: &Context<'_>) -> Poll<LeafResult> {
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
        drop(dropped.own);
        if let Some(waker) = dropped.wake {
            waker.wake();
        }
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

    pub(super) fn with_streams<T>(&self, draw: impl FnOnce(&mut Streams) -> T) -> T {
        let mut state = self.shared.state.lock();
        let _ = state.is_code_running();
        draw(&mut state.streams)
    }
}

impl fmt::Debug for ReplayHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplayHandle").field("instance", &self.shared.header.instance).finish_non_exhaustive()
    }
}
