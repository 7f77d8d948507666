//! The engine's time.

use std::time::Duration;

use crate::BoxFuture;
use crate::backend::TimerRow;
use crate::model::Timestamp;

/// Where an engine takes the time from. Tests put one of their own here.
pub trait Clock: Send + Sync + 'static {
    /// The present time.
    fn now(&self) -> Timestamp;

    /// Completes when `deadline` may have come. It may complete earlier; callers look at [`now`](Self::now) again.
    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()>;

    /// Lets a test decide in which order things happen that are due at the same time: a timer that is due fires when this has
    /// completed, and at once without it.
    fn hold(&self, timer: &TimerRow) -> Option<BoxFuture<'static, ()>> {
        let _ = timer;
        None
    }
}

/// The system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

/// The longest sleep: timers follow a clock that was set, or a machine that was suspended, within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::system_now()
    }

    fn sleep_until(&self, deadline: Timestamp) -> BoxFuture<'static, ()> {
        let left = deadline.saturating_since(self.now()).min(LONGEST_SLEEP);
        Box::pin(tokio::time::sleep(left))
    }
}
