//! From typed definitions to programs over JSON.

use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::BoxFuture;
use crate::activity::{ActivityContext, ActivityDefinition, ActivityHandler};
use crate::model::{FailureDetails, FunctionName, InvalidPayload, Payload};
use crate::orchestration::{ContinueAsNew, Next, OrchestrationContext, OrchestratorDefinition};
use crate::replay::{Ended, Program};

/// Runs an activity with a JSON input.
pub type ActivityProgram =
    Arc<dyn Fn(ActivityContext, Payload) -> BoxFuture<'static, Result<Payload, FailureDetails>> + Send + Sync>;

/// Makes a program of a closure, for code that stands in for an orchestrator. It is replayed like any other.
pub fn program<F>(code: impl Fn(OrchestrationContext, Payload) -> F + Send + Sync + 'static) -> Program
where
    F: Future<Output = Result<Ended, FailureDetails>> + Send + 'static,
{
    Arc::new(move |handle, input| Box::pin(code(OrchestrationContext::new(handle), input)))
}

pub(super) fn orchestrator<D: OrchestratorDefinition>() -> Program {
    Arc::new(|handle, input| {
        let ctx = OrchestrationContext::new(handle.clone());
        let limit = handle.limits().payload;
        let name = handle.header().name.clone();
        Box::pin(async move {
            let input =
                decode_start(&input).map_err(|error| no_input::<D::Input>("orchestrator", ctx.name(), &error))?;
            let checked = |value: Payload, what: &str| {
                let text = || format!("the {what} of orchestrator '{name}'");
                handle.check_size(limit, value.as_str().len(), text).map(|()| value)
            };
            Ok(match D::invoke(ctx, input).await? {
                Next::Complete(output) => Ended::Output(checked(encode_output(&output)?, "output")?),
                Next::ContinueAsNew(ContinueAsNew { input, version, keeps_events }) => {
                    let input = checked(encode_output(&input)?, "next input")?;
                    Ended::ContinueAsNew { input, version, keeps_events }
                }
            })
        })
    })
}

pub(super) fn activity<D: ActivityDefinition>() -> ActivityProgram {
    Arc::new(|ctx, input| {
        Box::pin(async move {
            let input = decode_input::<D::Input>("activity", ctx.name(), &input)?;
            let output = D::invoke(ctx, input).await?;
            encode_output(&output)
        })
    })
}

pub(super) fn handler<M, H: ActivityHandler<M>>(handler: H) -> ActivityProgram {
    let handler = Arc::new(handler);
    Arc::new(move |ctx, input| {
        let handler = Arc::clone(&handler);
        Box::pin(async move {
            let input = decode_input::<H::Input>("activity", ctx.name(), &input)?;
            let output = handler.invoke(ctx, input).await?;
            encode_output(&output)
        })
    })
}

/// Says whether a payload is an input of type `T`.
pub(super) fn fits<T: DeserializeOwned + 'static>(input: &Payload) -> Result<(), InvalidPayload> {
    decode_start::<T>(input).map(drop)
}

/// The input that a client starts an orchestrator with. The clients of other languages send an empty string where they have
/// none, and .NET takes that for `null` where it is no string that is wanted.
fn decode_start<T: DeserializeOwned + 'static>(input: &Payload) -> Result<T, InvalidPayload> {
    decode_any(input).or_else(|error| {
        if input.as_str() != r#""""# {
            return Err(error);
        }
        Payload::null().decode().map_err(|_| error)
    })
}

/// A function without an input takes any: its type is `()`, and what the caller sent is ignored.
fn decode_any<T: DeserializeOwned + 'static>(input: &Payload) -> Result<T, InvalidPayload> {
    let unit = std::any::TypeId::of::<T>() == std::any::TypeId::of::<()>();
    if unit { Payload::null().decode() } else { input.decode() }
}

fn decode_input<T: DeserializeOwned + 'static>(
    kind: &str,
    name: &FunctionName,
    input: &Payload,
) -> Result<T, FailureDetails> {
    decode_any(input).map_err(|error| no_input::<T>(kind, name, &error))
}

fn no_input<T>(kind: &str, name: &FunctionName, error: &InvalidPayload) -> FailureDetails {
    let cause = FailureDetails::from_error("InvalidPayload", error);
    let message = format!("the input of {kind} '{name}' is no `{}`", std::any::type_name::<T>());
    FailureDetails::new("InvalidInput", message).non_retriable().caused_by(cause)
}

fn encode_output<T: Serialize>(output: &T) -> Result<Payload, FailureDetails> {
    Payload::encode(output).map_err(|error| {
        let message = format!("the result, a `{}`, has no JSON form: {error}", std::any::type_name::<T>());
        FailureDetails::new("InvalidResult", message).non_retriable()
    })
}
