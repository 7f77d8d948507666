//! How an orchestrator names the activity that it calls.

use std::marker::PhantomData;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ActivityDefinition, ActivityItem};
use crate::model::{FunctionName, InvalidName};

/// Something that names an activity in a call: a function annotated with `#[activity]`, or its name as text.
///
/// `M` is inferred. With a text, the input and output types are those of the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an activity",
    label = "expected a function annotated with `#[activity]`, or a name",
    note = "an activity registered with `activity_fn(\"name\", ...)` is called by that name"
)]
pub trait ActivityFn<M> {
    /// The input of the call.
    type Input: Serialize;
    /// What the call yields.
    type Output: DeserializeOwned;

    /// The name of the activity.
    ///
    /// # Errors
    ///
    /// [`InvalidName`] when a text is not a name.
    fn name(&self) -> Result<FunctionName, InvalidName>;
}

impl<M, F> ActivityFn<(M,)> for F
where
    F: ActivityItem<M>,
{
    type Input = <F::Definition as ActivityDefinition>::Input;
    type Output = <F::Definition as ActivityDefinition>::Output;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::of_static(F::Definition::NAME)
    }
}

/// Marks a call by name.
#[derive(Debug)]
pub struct ByName<I, O>(PhantomData<fn(I) -> O>);

impl<I: Serialize, O: DeserializeOwned> ActivityFn<ByName<I, O>> for &str {
    type Input = I;
    type Output = O;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(self)
    }
}

impl<I: Serialize, O: DeserializeOwned> ActivityFn<ByName<I, O>> for FunctionName {
    type Input = I;
    type Output = O;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        Ok(self.clone())
    }
}
