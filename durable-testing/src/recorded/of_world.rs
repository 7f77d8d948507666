//! Recording what happens in a world.

use durable_core::history::HistoryEvent;

use crate::World;
use crate::or_fail::OrFail as _;
use crate::recorded::RecordedHistory;
use crate::world::Instance;

impl World {
    /// Records the history of an instance as it is now.
    ///
    /// # Panics
    ///
    /// When there is no such instance, or it has not had its first turn.
    #[must_use]
    #[track_caller]
    pub fn record<O>(&self, run: &Instance<O>) -> RecordedHistory {
        let run = self.instance::<O>(run.id().as_str());
        RecordedHistory::from_events(run.history()).or_fail(|error| format!("'{}': {error}", run.id()))
    }
}

/// So that it can be given to [`WorldBuilder::from_histories`](crate::world::WorldBuilder::from_histories).
impl AsRef<[HistoryEvent]> for RecordedHistory {
    fn as_ref(&self) -> &[HistoryEvent] {
        self.events()
    }
}
