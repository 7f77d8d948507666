//! Running the code of orchestrators within tasks.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::task::coop::unconstrained;

/// Runs code outside of tokio's budget: inside it, a channel or a lock that the code uses among its own parts would pretend to
/// be pending, and look like a foreign await.
pub(crate) fn without_budget<T>(run: impl FnOnce() -> T) -> T {
    match pin!(unconstrained(async { run() })).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => unreachable!("there is nothing to wait for"),
    }
}
