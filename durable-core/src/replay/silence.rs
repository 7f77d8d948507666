//! Whether the code on this thread is only being replayed: what it logs was logged before.

use std::cell::Cell;
use std::marker::PhantomData;

thread_local! {
    static REPLAYING: Cell<bool> = const { Cell::new(false) };
}

/// True while this thread runs an orchestrator's code over recorded history, or takes the future of an evicted one down.
///
/// Unlike [`ReplayHandle::is_replaying`](super::ReplayHandle::is_replaying) it needs nothing in its hands, so that a filter
/// of logs can ask. Outside of an orchestrator's code it is false.
#[must_use]
pub fn is_replaying_here() -> bool {
    REPLAYING.get()
}

/// Says for this thread whether what runs is a replay. When it is dropped, also by a panic, the earlier answer holds again:
/// an executor may run inside the code of another one.
#[derive(Debug)]
pub(super) struct Here {
    before: bool,
    /// It belongs to the thread that made it.
    _not_send: PhantomData<*const ()>,
}

impl Here {
    pub(super) fn replaying(replaying: bool) -> Self {
        Self { before: REPLAYING.replace(replaying), _not_send: PhantomData }
    }
}

impl Drop for Here {
    fn drop(&mut self) {
        REPLAYING.set(self.before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_answer_holds_again() {
        assert!(!is_replaying_here());
        let outer = Here::replaying(true);
        {
            let _live = Here::replaying(false);
            assert!(!is_replaying_here());
            let _replay = Here::replaying(true);
            assert!(is_replaying_here());
        }
        assert!(is_replaying_here());
        drop(outer);
        assert!(!is_replaying_here());
    }

    #[test]
    fn a_panic_ends_it() {
        let panicked = std::panic::catch_unwind(|| {
            let _here = Here::replaying(true);
            panic!("in the code");
        });
        assert!(panicked.is_err());
        assert!(!is_replaying_here());
    }

    #[test]
    fn another_thread_is_live() {
        let _here = Here::replaying(true);
        assert!(!std::thread::scope(|scope| scope.spawn(is_replaying_here).join().unwrap()));
    }
}
