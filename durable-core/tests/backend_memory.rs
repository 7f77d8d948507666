//! The reference backend passes the conformance suite.

use std::sync::Arc;

use durable_core::backend::Backend;
use durable_core::backend::memory::Memory;

durable_testing::conformance_tests!(async || {
    let store: Arc<dyn Backend> = Arc::new(Memory::new());
    (store, ())
});
