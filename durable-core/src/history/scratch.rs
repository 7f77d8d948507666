//! Texts that are written before it is known how long they are.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::Arc;

thread_local! {
    static SCRATCH: Cell<String> = const { Cell::new(String::new()) };
}

/// What is larger is not kept.
const MOST_SCRATCH: usize = 64 << 10;

/// What `write` writes, in one allocation; `None` when it fails.
pub(super) fn shared(write: impl FnOnce(&mut String) -> fmt::Result) -> Option<Arc<str>> {
    // Taken out while it is used: what is written may use it as well.
    let mut scratch = SCRATCH.take();
    scratch.clear();
    let text = write(&mut scratch).ok().map(|()| scratch.as_str().into());
    if scratch.capacity() <= MOST_SCRATCH {
        SCRATCH.set(scratch);
    }
    text
}

/// The text of a value.
pub(super) fn text(value: &impl fmt::Display) -> Arc<str> {
    shared(|text| write!(text, "{value}")).unwrap_or_default()
}
