//! What an orchestrator can be named by.

use durable_core::model::{FunctionName, InvalidName};
use durable_core::orchestration::{OrchestratorDefinition, OrchestratorItem};

/// Something that names an orchestrator: a function annotated with `#[orchestrator]`, or its name as text.
///
/// `M` is inferred. Unlike the client's own
/// [`OrchestratorFn`](durable_core::orchestration::OrchestratorFn), a name needs no type of the input here.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an orchestrator",
    label = "expected a function annotated with `#[orchestrator]`, or a name"
)]
pub trait NamesOrchestrator<M> {
    /// The name.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when a text is not a name.
    fn orchestrator_name(&self) -> Result<FunctionName, InvalidName>;
}

impl<M, F: OrchestratorItem<M>> NamesOrchestrator<(M,)> for F {
    fn orchestrator_name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(F::Definition::NAME)
    }
}

impl NamesOrchestrator<()> for &str {
    fn orchestrator_name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(self)
    }
}
