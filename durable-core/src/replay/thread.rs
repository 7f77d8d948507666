//! Which thread this is, as a number that costs nothing to ask for.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for one thread as long as the program runs; never zero, and never `u64::MAX`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ThreadMark(u64);

static LAST: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static HERE: Cell<u64> = const { Cell::new(0) };
}

impl ThreadMark {
    /// The mark of this thread.
    pub(super) fn here() -> Self {
        let here = HERE.get();
        if here != 0 {
            return Self(here);
        }
        let new = LAST.fetch_add(1, Ordering::Relaxed) + 1;
        HERE.set(new);
        Self(new)
    }

    pub(super) fn number(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_differ() {
        let here = ThreadMark::here();
        assert_eq!(here, ThreadMark::here());
        assert_ne!(here, std::thread::scope(|scope| scope.spawn(ThreadMark::here).join().unwrap()));
    }
}
