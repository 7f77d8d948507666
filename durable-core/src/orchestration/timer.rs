//! The future of a durable timer.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::hold::Hold;
use crate::model::Timestamp;
use crate::replay::{LeafId, ReplayHandle};

/// A durable timer. It runs from the moment it was made; dropping it cancels it.
#[must_use = "dropping a timer cancels it: await it"]
pub struct Timer {
    handle: ReplayHandle,
    fire_at: Timestamp,
    hold: Hold,
}

impl Timer {
    pub(super) fn new(handle: ReplayHandle, fire_at: Timestamp, leaf: Option<LeafId>) -> Self {
        Self { handle, fire_at, hold: Hold::new(leaf) }
    }

    /// When the timer is due.
    #[must_use]
    pub fn fire_at(&self) -> Timestamp {
        self.fire_at
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        this.hold.poll(&this.handle, cx).map(|_fired| ())
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.hold.release(&self.handle);
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("fire_at", &self.fire_at).finish_non_exhaustive()
    }
}
