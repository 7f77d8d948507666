//! Fan-outs.

use super::OrchestrationContext;
use crate::orchestration::Map;

impl OrchestrationContext {
    /// Makes a call for each item, all of them at once or a few at a time.
    ///
    /// `call` gives any future of a `Result`: a call, or an `async` block of several steps. The future that is returned
    /// gives the values in the order of the items.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn shrink(image: u64) -> u64 {
    ///     image / 2
    /// }
    ///
    /// #[orchestrator]
    /// async fn album(ctx: OrchestrationContext, images: Vec<u64>) -> Result<Vec<u64>, OrchestratorError> {
    ///     ctx.map(images, |image| ctx.call_activity(shrink, image)).concurrency(8).await
    /// }
    /// ```
    ///
    /// Without [`concurrency`](Map::concurrency), all calls are made at once. With it, the next one is made when one is
    /// done. A call is hot, but the map is not: it makes its first calls when it is first awaited.
    ///
    /// # Errors
    ///
    /// The error that comes first in the history. It ends the map: no further calls are made, and those that are open are
    /// dropped, which cancels them. With [`settle`](Map::settle), every item has its own result.
    ///
    /// # Cancel safety
    ///
    /// Dropping the map cancels what is open, and makes no further calls.
    ///
    /// # Determinism
    ///
    /// The items must be the same in every replay and have the same order: do not take them from a `HashMap`. Which call
    /// comes next follows from the order in which calls are done in the history.
    ///
    /// # History
    ///
    /// Only that of the calls.
    pub fn map<I, C, R>(&self, items: I, call: C) -> Map<I::IntoIter, C, R>
    where
        I: IntoIterator,
        C: FnMut(I::Item) -> R,
        R: IntoFuture,
    {
        Map::new(items.into_iter(), call)
    }
}
