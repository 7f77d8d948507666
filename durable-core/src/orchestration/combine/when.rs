//! `when_all` and `when_any`: many futures of one type.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::StreamExt;
use futures_util::stream::{FuturesOrdered, FuturesUnordered};

/// Waits until all of these futures are done, also when some of them fail, and gives their values in the order of the
/// futures.
///
/// It is `Task.WhenAll` of .NET. No futures give an empty `Vec`. The futures are made at once, so that the calls of
/// an iterator run side by side from here on.
///
/// ```
/// use durable_core::prelude::*;
///
/// #[activity]
/// async fn ship(parcel: u64) -> u64 {
///     parcel
/// }
///
/// #[orchestrator]
/// async fn ship_all(ctx: OrchestrationContext, parcels: Vec<u64>) -> Result<usize, OrchestratorError> {
///     // One that fails does not stop the others.
///     let shipped = when_all(parcels.into_iter().map(|parcel| ctx.call_activity(ship, parcel))).await?;
///     Ok(shipped.len())
/// }
/// ```
///
/// # Errors
///
/// The first error in the order of the futures, once all are done. `try_join_all` gives the error that comes first, at
/// once, and by dropping the other futures cancels them. `join_all` gives every result.
///
/// # Cancel safety
///
/// Dropping it drops the futures, which cancels those that are not done.
///
/// # Determinism
///
/// The order of the futures must be the same in every replay: do not take it from a `HashMap`.
pub fn when_all<I, T, E>(futures: I) -> WhenAll<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture<Output = Result<T, E>>,
{
    let open = futures.into_iter().map(IntoFuture::into_future).collect();
    WhenAll { open, results: Vec::new() }
}

/// The future of [`when_all`].
#[must_use = "dropping it cancels what it waits for: await it"]
pub struct WhenAll<F: Future> {
    open: FuturesOrdered<F>,
    results: Vec<F::Output>,
}

/// Nothing in it is pinned in place: the futures have their own allocations.
impl<F: Future> Unpin for WhenAll<F> {}

impl<F, T, E> Future for WhenAll<F>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = Result<Vec<T>, E>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        while let Some(result) = ready!(self.open.poll_next_unpin(cx)) {
            self.results.push(result);
        }
        Poll::Ready(std::mem::take(&mut self.results).into_iter().collect())
    }
}

impl<F: Future> fmt::Debug for WhenAll<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhenAll").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// Waits until one of these futures is done. Gives its index and its output, and the other futures, which go on.
///
/// It is `Task.WhenAny` of .NET. Without futures there is nothing to wait for, and it gives `None` at once; so a `while
/// let` works all of them off:
///
/// ```
/// use durable_core::prelude::*;
///
/// #[activity]
/// async fn quote(dealer: u64) -> u64 {
///     dealer * 100
/// }
///
/// #[orchestrator]
/// async fn first_below(ctx: OrchestrationContext, limit: u64) -> Result<Option<u64>, OrchestratorError> {
///     let mut open: Vec<_> = (1..=3).map(|dealer| ctx.call_activity(quote, dealer)).collect();
///     while let Some((_index, price, others)) = when_any(open).await {
///         let price = price?;
///         if price < limit {
///             return Ok(Some(price)); // drops the others, which cancels them
///         }
///         open = others;
///     }
///     Ok(None)
/// }
/// ```
///
/// Each round looks at each future once. For thousands of futures, one after the other, use `FuturesUnordered` or
/// [`ctx.map(..)`](crate::orchestration::OrchestrationContext::map). An `async` block is pinned first:
/// `Box::pin(async { .. })`.
///
/// # Errors
///
/// None of its own: a failure is an output as well.
///
/// # Cancel safety
///
/// It cancels nothing. The other futures are given back in their order, and dropping one of them cancels it. Dropping
/// what `when_any` returned before it is done drops all of them.
///
/// # Determinism
///
/// The future whose event comes first in the history wins, and of several that are done already the first in the `Vec`.
pub fn when_any<I>(futures: I) -> WhenAny<<I::Item as IntoFuture>::IntoFuture>
where
    I: IntoIterator,
    I::Item: IntoFuture<IntoFuture: Unpin>,
{
    let futures = futures.into_iter().map(IntoFuture::into_future).enumerate();
    WhenAny { open: futures.map(|(index, future)| Open { index, future: Some(future) }).collect() }
}

/// The future of [`when_any`].
#[must_use = "dropping it cancels what it waits for: await it"]
pub struct WhenAny<F> {
    /// Looks at a future only when it was woken, and at the first time in the order of the indices.
    open: FuturesUnordered<Open<F>>,
}

impl<F: Future + Unpin> Future for WhenAny<F> {
    type Output = Option<(usize, F::Output, Vec<F>)>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let first = ready!(self.open.poll_next_unpin(cx));
        Poll::Ready(first.map(|(index, output)| {
            let mut others: Vec<_> = std::mem::take(&mut self.open).into_iter().collect();
            others.sort_unstable_by_key(|open| open.index);
            (index, output, others.into_iter().filter_map(|open| open.future).collect())
        }))
    }
}

impl<F> fmt::Debug for WhenAny<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WhenAny").field("open", &self.open.len()).finish_non_exhaustive()
    }
}

/// A future that knows its place, and can be taken out.
struct Open<F> {
    index: usize,
    future: Option<F>,
}

impl<F: Future + Unpin> Future for Open<F> {
    type Output = (usize, F::Output);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.future else { return Poll::Pending };
        let output = ready!(Pin::new(future).poll(cx));
        self.future = None;
        Poll::Ready((self.index, output))
    }
}
