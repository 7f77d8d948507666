//! What `#[orchestrator]` leaves behind, as a trait.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Next, OrchestrationContext};
use crate::BoxFuture;
use crate::model::{FailureDetails, FunctionName, InvalidName, Version};

/// An orchestrator's name, types and body. `#[orchestrator]` implements it on the future that the annotated function
/// returns.
pub trait OrchestratorDefinition: Send + 'static {
    /// The registered name.
    const NAME: &'static str;
    /// The version of the code; `None` for an orchestrator without versions.
    const VERSION: Option<&'static str> = None;
    /// The requests that start it, for an HTTP server to read; `None` when there are none.
    const HTTP: Option<&'static str> = None;
    /// The input; `()` for an orchestrator without one.
    type Input: Serialize + DeserializeOwned + Send + 'static;
    /// The value of success.
    type Output: Serialize + DeserializeOwned + Send + 'static;

    /// Starts the orchestrator's code.
    #[expect(clippy::type_complexity, reason = "the annotation writes it out, people do not")]
    fn invoke(
        ctx: OrchestrationContext,
        input: Self::Input,
    ) -> BoxFuture<'static, Result<Next<Self::Output, Self::Input>, FailureDetails>>;
}

/// A function annotated with `#[orchestrator]`, with or without an input.
///
/// `M` is inferred; it keeps the implementations for different numbers of arguments apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an orchestrator",
    label = "expected a function annotated with `#[orchestrator]`"
)]
pub trait OrchestratorItem<M> {
    /// The definition that the annotation generated.
    type Definition: OrchestratorDefinition;
}

impl<F, R> OrchestratorItem<fn(OrchestrationContext) -> R> for F
where
    F: Fn(OrchestrationContext) -> R,
    R: OrchestratorDefinition,
{
    type Definition = R;
}

impl<F, R, I> OrchestratorItem<fn(OrchestrationContext, I) -> R> for F
where
    F: Fn(OrchestrationContext, I) -> R,
    R: OrchestratorDefinition,
{
    type Definition = R;
}

/// Something that names an orchestrator: a function annotated with `#[orchestrator]`, or its name as text.
///
/// `M` is inferred. With a text, the input and output types are those of the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an orchestrator",
    label = "expected a function annotated with `#[orchestrator]`, or a name"
)]
pub trait OrchestratorFn<M> {
    /// The input.
    type Input: Serialize;
    /// The value of success.
    type Output: DeserializeOwned;

    /// The name of the orchestrator.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when a text is not a name.
    fn name(&self) -> Result<FunctionName, InvalidName>;

    /// The version that is asked for: that of the annotation. A name asks for none.
    #[must_use]
    fn version(&self) -> Option<Version> {
        None
    }
}

impl<M, F> OrchestratorFn<(M,)> for F
where
    F: OrchestratorItem<M>,
{
    type Input = <F::Definition as OrchestratorDefinition>::Input;
    type Output = <F::Definition as OrchestratorDefinition>::Output;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(F::Definition::NAME)
    }

    fn version(&self) -> Option<Version> {
        F::Definition::VERSION.and_then(|version| Version::new(version).ok())
    }
}

/// Marks an orchestrator that is named by a text.
#[derive(Debug)]
pub struct ByName<I>(PhantomData<fn(I)>);

impl<I: Serialize> OrchestratorFn<ByName<I>> for &str {
    type Input = I;
    type Output = serde_json::Value;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(self)
    }
}

impl<I: Serialize> OrchestratorFn<ByName<I>> for FunctionName {
    type Input = I;
    type Output = serde_json::Value;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        Ok(self.clone())
    }
}
