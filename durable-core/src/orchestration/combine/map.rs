//! `ctx.map`: one call for each item, and a bound for how many are open.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use futures_util::future::{Join, Ready, join, ready};
use futures_util::stream::FuturesUnordered;

/// The future of [`OrchestrationContext::map`](crate::orchestration::OrchestrationContext::map): the values in the order
/// of the items, or the first error.
#[must_use = "it makes no call before it is awaited"]
pub struct Map<I, C, R: IntoFuture> {
    window: Window<I, C, R>,
}

impl<I, C, R: IntoFuture> Map<I, C, R> {
    pub(crate) fn new(items: I, call: C) -> Self {
        let (open, outputs) = (FuturesUnordered::new(), Vec::new());
        Self { window: Window { items: Some(items), call, limit: usize::MAX, open, outputs } }
    }

    /// At most `limit` calls are open at once; each one that is done makes room for the next. Zero counts as one.
    pub fn concurrency(mut self, limit: usize) -> Self {
        self.window.limit = limit.max(1);
        self
    }

    /// Waits for every item, also when some fail, and gives each one's result in the order of the items.
    ///
    /// ```
    /// use durable_core::prelude::*;
    ///
    /// #[activity]
    /// async fn notify(customer: u64) -> Result<(), ActivityError> {
    ///     if customer == 0 { Err(ActivityError::msg("nobody")) } else { Ok(()) }
    /// }
    ///
    /// /// Gives those who could not be reached.
    /// #[orchestrator]
    /// async fn notify_all(ctx: OrchestrationContext, customers: Vec<u64>) -> Result<Vec<u64>, OrchestratorError> {
    ///     let call = |customer| ctx.call_activity(notify, customer);
    ///     let results = ctx.map(customers.iter().copied(), call).concurrency(8).settle().await;
    ///     let failed = customers.iter().zip(results).filter(|(_, result)| result.is_err());
    ///     Ok(failed.map(|(customer, _)| *customer).collect())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// None of its own: a failure stands at its place in the `Vec`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it cancels what is open, and makes no further calls.
    ///
    /// # Determinism
    ///
    /// As [`OrchestrationContext::map`](crate::orchestration::OrchestrationContext::map).
    pub fn settle(self) -> Settle<I, C, R> {
        Settle { window: self.window }
    }
}

impl<I, C, R, T, E> Future for Map<I, C, R>
where
    I: Iterator,
    C: FnMut(I::Item) -> R,
    R: IntoFuture<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let window = &mut self.window;
        while let Some((index, result)) = ready!(window.poll_next(cx)) {
            match result {
                Ok(value) => window.put(index, Ok(value)),
                Err(error) => {
                    // Not left to the drop of this future, which the caller may hold for long.
                    window.give_up();
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(window.take_outputs().collect())
    }
}

/// The future of [`Map::settle`]: the result of each item.
#[must_use = "it makes no call before it is awaited"]
pub struct Settle<I, C, R: IntoFuture> {
    window: Window<I, C, R>,
}

impl<I, C, R> Future for Settle<I, C, R>
where
    I: Iterator,
    C: FnMut(I::Item) -> R,
    R: IntoFuture,
{
    type Output = Vec<R::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let window = &mut self.window;
        while let Some((index, output)) = ready!(window.poll_next(cx)) {
            window.put(index, output);
        }
        Poll::Ready(window.take_outputs().collect())
    }
}

/// Nothing in them is pinned in place: the futures have their own allocations.
impl<I, C, R: IntoFuture> Unpin for Map<I, C, R> {}
impl<I, C, R: IntoFuture> Unpin for Settle<I, C, R> {}

impl<I, C, R: IntoFuture> fmt::Debug for Map<I, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.window.describe(f, "Map")
    }
}

impl<I, C, R: IntoFuture> fmt::Debug for Settle<I, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.window.describe(f, "Settle")
    }
}

/// The items that are still to come, the calls that are open, and the outputs so far.
struct Window<I, C, R: IntoFuture> {
    /// `None` when there are no more, or no more are wanted.
    items: Option<I>,
    call: C,
    limit: usize,
    /// Each call beside its index, in a set that looks at a call only when it was woken.
    open: FuturesUnordered<Join<Ready<usize>, R::IntoFuture>>,
    /// One place for each item that was called.
    outputs: Vec<Option<R::Output>>,
}

impl<I, C, R: IntoFuture> Window<I, C, R> {
    /// Makes calls as long as there is room, and gives the next output; `None` when everything is done.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, R::Output)>>
    where
        I: Iterator,
        C: FnMut(I::Item) -> R,
    {
        while self.open.len() < self.limit
            && let Some(items) = &mut self.items
        {
            match items.next() {
                Some(item) => {
                    let future = (self.call)(item).into_future();
                    self.open.push(join(ready(self.outputs.len()), future));
                    self.outputs.push(None);
                }
                None => self.items = None,
            }
        }
        self.open.poll_next_unpin(cx)
    }

    fn put(&mut self, index: usize, output: R::Output) {
        if let Some(place) = self.outputs.get_mut(index) {
            *place = Some(output);
        }
    }

    fn take_outputs(&mut self) -> impl Iterator<Item = R::Output> {
        std::mem::take(&mut self.outputs).into_iter().flatten()
    }

    fn give_up(&mut self) {
        self.items = None;
        self.outputs.clear();
        self.open.clear();
    }

    fn describe(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        f.debug_struct(name).field("limit", &self.limit).field("open", &self.open.len()).finish_non_exhaustive()
    }
}
