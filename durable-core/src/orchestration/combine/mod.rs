//! Combinators: waiting for several durable futures.

mod join;
mod map;
mod select;
mod when;

pub use self::map::{Map, Settle};
pub use self::select::race;
pub use self::when::{WhenAll, WhenAny, when_all, when_any};

/// The future that awaiting this would poll. A function of its own, so that the compiler shows the place of what is no
/// future.
pub fn awaited<F: IntoFuture>(awaitable: F) -> F::IntoFuture {
    awaitable.into_future()
}

/// As [`awaited`], for what can fail.
pub fn awaited_result<F: IntoFuture<Output = Result<T, E>>, T, E>(awaitable: F) -> F::IntoFuture {
    awaitable.into_future()
}
