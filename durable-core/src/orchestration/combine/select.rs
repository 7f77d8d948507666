//! `select!`: the first of several futures, looked at in the order of the text.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::future::Either;

/// Waits for the first of several futures and runs its branch.
///
/// A branch is `pattern = future => body`. A body that is no block ends with a comma. The bodies have the same type,
/// which is that of the `select!`. Anything that can be awaited is a future here: a call, an `async` block, a `&mut` of
/// one that is still needed afterwards. `?`, `return`, `break`, `continue` and `.await` work in bodies and futures as
/// they do around the `select!`.
///
/// ```
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// #[orchestrator]
/// async fn approval(ctx: OrchestrationContext) -> Result<bool, OrchestratorError> {
///     let day = Duration::from_secs(24 * 3600);
///     select! {
///         approved = ctx.wait_for_external_event::<bool>("Approval") => approved,
///         () = ctx.create_timer(day) => Ok(false),
///     }
/// }
/// ```
///
/// With `&mut`, a future lives through several rounds:
///
/// ```
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// #[orchestrator]
/// async fn votes(ctx: OrchestrationContext) -> Result<u32, OrchestratorError> {
///     let mut deadline = ctx.create_timer(Duration::from_secs(3600));
///     let mut count = 0;
///     loop {
///         select! {
///             vote = ctx.wait_for_external_event::<bool>("Vote") => {
///                 count += u32::from(vote?);
///             }
///             () = &mut deadline => break,
///         }
///     }
///     Ok(count)
/// }
/// ```
///
/// # Errors
///
/// None of its own: a branch gets what its future gives, a `Result` too.
///
/// # Cancel safety
///
/// The losers are dropped before the body of the winner runs, and to drop a durable future is to cancel it. A future that
/// was given as `&mut` is not dropped, and loses nothing.
///
/// # Determinism
///
/// All futures are made in the order of the text, and then looked at in this order. So the one whose event comes first in
/// the history wins, and of several that are done already the one that is written first, in every replay. `biased;` may
/// stand before the branches and says the same.
///
/// # What is refused
///
/// A `select!` without branches, and a pattern that does not fit every value:
///
/// ```compile_fail
/// # use durable_core::prelude::*;
/// # async fn wrong(ctx: OrchestrationContext) {
/// select! {}
/// # }
/// ```
///
/// ```compile_fail,E0005
/// # use durable_core::prelude::*;
/// # async fn wrong(ctx: OrchestrationContext) {
/// select! {
///     Ok(approved) = ctx.wait_for_external_event::<bool>("Approval") => drop(approved),
/// }
/// # }
/// ```
#[macro_export]
macro_rules! select {
    (biased; $($branches:tt)*) => { $crate::__select!([] $($branches)*) };
    ($($branches:tt)*) => { $crate::__select!([] $($branches)*) };
}

/// Takes the branches of a `select!` apart, one by one. Each step brings a `future` of its own: names that come from
/// different expansions are different.
#[doc(hidden)]
#[macro_export]
macro_rules! __select {
    ([]) => {
        ::core::compile_error!("`select!` waits for nothing: give it at least one branch, `pattern = future => body`")
    };
    ([$({ $future:ident, $pattern:pat, $awaited:expr, $body:expr })+]) => {{
        // Behind this statement the futures are gone, with all that they borrow.
        let winner = match ($($crate::__private::awaited($awaited),)+) {
            ($($future,)+) => $crate::__select!(@race $($future)+).await,
        };
        $crate::__select!(@run winner $({ $pattern, $body })+)
    }};
    (@race) => { $crate::__private::pending::<$crate::__private::Infallible>() };
    (@race $future:ident $($later:ident)*) => {
        $crate::__private::race($crate::__private::pin!($future), $crate::__select!(@race $($later)*))
    };
    (@run $winner:ident) => { match $winner {} };
    (@run $winner:ident { $pattern:pat, $body:expr } $($later:tt)*) => {
        match $winner {
            $crate::__private::Either::Left(output) => {
                let $pattern = output;
                $body
            }
            $crate::__private::Either::Right(later) => $crate::__select!(@run later $($later)*),
        }
    };
    ([$($done:tt)*] $pattern:pat = $awaited:expr => $body:block, $($branches:tt)*) => {
        $crate::__select!([$($done)* { future, $pattern, $awaited, $body }] $($branches)*)
    };
    ([$($done:tt)*] $pattern:pat = $awaited:expr => $body:block $($branches:tt)*) => {
        $crate::__select!([$($done)* { future, $pattern, $awaited, $body }] $($branches)*)
    };
    ([$($done:tt)*] $pattern:pat = $awaited:expr => $body:expr, $($branches:tt)*) => {
        $crate::__select!([$($done)* { future, $pattern, $awaited, $body }] $($branches)*)
    };
    ([$($done:tt)*] $pattern:pat = $awaited:expr => $body:expr) => {
        $crate::__select!([$($done)* { future, $pattern, $awaited, $body }])
    };
    ($($other:tt)*) => {
        ::core::compile_error!(
            "a branch of `select!` is `pattern = future => { body }` or `pattern = future => body,`, without a condition"
        )
    };
}

/// Two futures of which the first one that is done counts: `first`, when both are.
pub struct Race<'a, A, B> {
    first: Pin<&'a mut A>,
    later: B,
}

/// What `select!` awaits; `later` is made in the same way, and at the end of the chain a future that is never done.
#[must_use = "futures do nothing unless they are awaited"]
pub fn race<A: Future, B: Future + Unpin>(first: Pin<&mut A>, later: B) -> Race<'_, A, B> {
    Race { first, later }
}

impl<A: Future, B: Future + Unpin> Future for Race<'_, A, B> {
    type Output = Either<A::Output, B::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.first.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Either::Left(output)),
            Poll::Pending => Pin::new(&mut self.later).poll(cx).map(Either::Right),
        }
    }
}

impl<A, B> fmt::Debug for Race<'_, A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Race").finish_non_exhaustive()
    }
}
