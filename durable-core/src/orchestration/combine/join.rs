//! `join!` and `try_join!`: several futures of different types side by side.

/// Waits for all of these futures and gives their outputs as a tuple, in the order of the text.
///
/// Anything that can be awaited is a future here. For many futures of one type there are
/// [`when_all`](crate::orchestration::when_all) and `join_all`.
///
/// ```
/// use durable_core::prelude::*;
/// use std::time::Duration;
///
/// #[activity]
/// async fn stock(article: u64) -> u64 {
///     article % 7
/// }
///
/// #[orchestrator]
/// async fn at_least_a_minute(ctx: OrchestrationContext, article: u64) -> Result<u64, OrchestratorError> {
///     let (left, ()) = join!(
///         ctx.call_activity(stock, article),
///         ctx.create_timer(Duration::from_secs(60)),
///     );
///     left
/// }
/// ```
///
/// # Errors
///
/// None of its own: a failure does not end the wait, and stands in the tuple. See [`try_join!`](crate::try_join!).
///
/// # Cancel safety
///
/// Dropping it drops the futures, which cancels those that are not done.
///
/// # Determinism
///
/// All futures are made in the order of the text, and then always looked at in this order.
#[macro_export]
macro_rules! join {
    () => { ::core::compile_error!("`join!` waits for nothing: give it at least one future") };
    ($first:expr $(, $later:expr)* $(,)?) => {
        $crate::__join!([$crate::__private::awaited($first)] [output] [output] $($later,)*)
    };
}

/// Waits for all of these futures; the first failure ends the wait.
///
/// The futures give a `Result` with the same error type; all of them together give `Ok` with a tuple of their values, in
/// the order of the text. For many futures of one type there is `try_join_all`.
///
/// ```
/// use durable_core::prelude::*;
///
/// #[activity]
/// async fn stock(article: u64) -> u64 {
///     article % 7
/// }
///
/// #[activity]
/// async fn price(article: u64) -> u64 {
///     article * 100
/// }
///
/// #[orchestrator]
/// async fn value(ctx: OrchestrationContext, article: u64) -> Result<u64, OrchestratorError> {
///     let (stock, price) = try_join!(ctx.call_activity(stock, article), ctx.call_activity(price, article))?;
///     Ok(stock * price)
/// }
/// ```
///
/// # Errors
///
/// The error of the future that failed first.
///
/// # Cancel safety
///
/// When one fails, the others are dropped, and to drop a durable future is to cancel it. [`join!`](crate::join!) and
/// [`when_all`](crate::orchestration::when_all) let them finish.
///
/// # Determinism
///
/// All futures are made in the order of the text, and then always looked at in this order. So the failure that comes
/// first in the history counts, and of several that are there already the one that is written first.
#[macro_export]
macro_rules! try_join {
    () => { ::core::compile_error!("`try_join!` waits for nothing: give it at least one future") };
    ($first:expr $(, $later:expr)* $(,)?) => {
        $crate::__try_join!([$crate::__private::awaited_result($first)] [output] [output] $($later,)*)
    };
}

/// Puts the futures into pairs of pairs, and takes their outputs out of them. Each step brings an `output` of its own:
/// names that come from different expansions are different.
#[doc(hidden)]
#[macro_export]
macro_rules! __join {
    ([$joined:expr] [$outputs:pat] [$($output:ident)+]) => {
        match $joined.await {
            $outputs => ($($output,)+),
        }
    };
    ([$joined:expr] [$outputs:pat] [$($output:ident)+] $next:expr, $($later:expr,)*) => {
        $crate::__join!(
            [$crate::__private::join($joined, $crate::__private::awaited($next))]
            [($outputs, output)]
            [$($output)+ output]
            $($later,)*
        )
    };
}

/// As `__join!`, for futures that can fail.
#[doc(hidden)]
#[macro_export]
macro_rules! __try_join {
    ([$joined:expr] [$outputs:pat] [$($output:ident)+]) => {
        match $joined.await {
            ::core::result::Result::Ok($outputs) => ::core::result::Result::Ok(($($output,)+)),
            ::core::result::Result::Err(error) => ::core::result::Result::Err(error),
        }
    };
    ([$joined:expr] [$outputs:pat] [$($output:ident)+] $next:expr, $($later:expr,)*) => {
        $crate::__try_join!(
            [$crate::__private::try_join($joined, $crate::__private::awaited_result($next))]
            [($outputs, output)]
            [$($output)+ output]
            $($later,)*
        )
    };
}
