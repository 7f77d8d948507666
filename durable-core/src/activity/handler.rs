//! Closures and methods as activities.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ActivityContext;
use crate::BoxFuture;
use crate::failure::IntoFailure;
use crate::model::FailureDetails;

/// A closure or function that can be registered as an activity with `activity_fn(name, handler)`.
///
/// It takes an [`ActivityContext`] and an input, or the input alone, and returns a future of a `Result`. `M` is
/// inferred.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be registered as an activity",
    label = "expected a closure or function of an input, or of an `ActivityContext` and an input, that returns a future of a `Result`",
    note = "the input must be `Deserialize`, the output `Serialize`, the error `IntoFailure`, and the future `Send + 'static`"
)]
pub trait ActivityHandler<M>: Send + Sync + 'static {
    /// The input.
    type Input: DeserializeOwned + Send + 'static;
    /// The value of success.
    type Output: Serialize + Send + 'static;

    /// Runs the activity.
    fn invoke(
        &self,
        ctx: ActivityContext,
        input: Self::Input,
    ) -> BoxFuture<'static, Result<Self::Output, FailureDetails>>;
}

impl<F, Fut, I, O, E> ActivityHandler<fn(I) -> Fut> for F
where
    F: Fn(I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: IntoFailure,
{
    type Input = I;
    type Output = O;

    fn invoke(&self, _ctx: ActivityContext, input: I) -> BoxFuture<'static, Result<O, FailureDetails>> {
        let run = self(input);
        Box::pin(async move { run.await.map_err(IntoFailure::into_failure) })
    }
}

impl<F, Fut, I, O, E> ActivityHandler<fn(ActivityContext, I) -> Fut> for F
where
    F: Fn(ActivityContext, I) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<O, E>> + Send + 'static,
    I: DeserializeOwned + Send + 'static,
    O: Serialize + Send + 'static,
    E: IntoFailure,
{
    type Input = I;
    type Output = O;

    fn invoke(&self, ctx: ActivityContext, input: I) -> BoxFuture<'static, Result<O, FailureDetails>> {
        let run = self(ctx, input);
        Box::pin(async move { run.await.map_err(IntoFailure::into_failure) })
    }
}
