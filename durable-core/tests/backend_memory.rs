//! The reference backend passes the conformance suite, for one process and for several.

use std::sync::Arc;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;

durable_testing::conformance_tests!(async || {
    let store: Arc<dyn Backend> = Arc::new(Memory::new());
    (store, ())
});

mod shared {
    use super::*;

    durable_testing::shared_conformance_tests!(async || {
        let store: Arc<dyn Backend> = Arc::new(Memory::shared());
        (store, ())
    });
}
