//! What `#[activity]` leaves behind, as a trait.

use std::cell::Cell;
use std::panic::resume_unwind;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ActivityContext, StateKey};
use crate::BoxFuture;
use crate::model::FailureDetails;

/// An activity's name, types and body. `#[activity]` implements it on the future that the annotated function returns.
pub trait ActivityDefinition: Send + 'static {
    /// The registered name.
    const NAME: &'static str;
    /// The input; `()` for an activity without one.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// The value of success.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// The shared state that the activity needs, checked when the hub starts.
    #[must_use]
    fn required_state() -> Vec<StateKey> {
        Vec::new()
    }

    /// Runs the activity.
    fn invoke(ctx: ActivityContext, input: Self::Input) -> BoxFuture<'static, Result<Self::Output, FailureDetails>>;
}

/// A function annotated with `#[activity]`, whatever its arguments.
///
/// `M` is inferred; it keeps the implementations for different numbers of arguments apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an activity",
    label = "expected a function annotated with `#[activity]`",
    note = "register a closure or a method with `activity_fn(\"name\", ...)`"
)]
pub trait ActivityItem<M> {
    /// The definition that the annotation generated.
    type Definition: ActivityDefinition;
}

macro_rules! items {
    ($($arg:ident),*) => {
        impl<F, R, $($arg),*> ActivityItem<fn($($arg),*) -> R> for F
        where
            F: Fn($($arg),*) -> R,
            R: ActivityDefinition,
        {
            type Definition = R;
        }
    };
}
items!();
items!(A);
items!(A, B);
items!(A, B, C);
items!(A, B, C, D);
items!(A, B, C, D, E);
items!(A, B, C, D, E, G);
items!(A, B, C, D, E, G, H);
items!(A, B, C, D, E, G, H, I);

thread_local! {
    static INLINE: Cell<bool> = const { Cell::new(false) };
}

/// Runs plain functions that are activities at once on this thread, as long as `run` takes: in tests on virtual time, which
/// cannot see when another thread is done.
pub fn without_threads<T>(run: impl FnOnce() -> T) -> T {
    /// Puts the flag back, also when `run` panics.
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            INLINE.set(self.0);
        }
    }
    let _restore = Restore(INLINE.replace(true));
    run()
}

/// Runs a plain function off the async threads, in the span of its caller; a panic in it goes on in the caller.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    if INLINE.get() {
        return work();
    }
    let span = tracing::Span::current();
    match tokio::task::spawn_blocking(move || span.in_scope(work)).await {
        Ok(value) => value,
        Err(error) => resume_unwind(error.into_panic()),
    }
}
