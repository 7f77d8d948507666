//! The future of a call of a child orchestration.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::activity::failed;
use super::definition::{OrchestratorDefinition, OrchestratorItem};
use super::hold::{RawCall, Template};
use super::retry::{self, RetryContext, RetryPolicy};
use crate::failure::OrchestratorError;
use crate::history::{Action, ChildStart, ExecutionHeader};
use crate::model::{FailureDetails, FunctionName, IdReusePolicy, InstanceId, InvalidName, InvalidVersion, Version};
use crate::replay::ReplayHandle;

/// Something that names a child orchestrator in a call: a function annotated with `#[orchestrator]`, or its name as text.
///
/// `M` is inferred. With a text, the input and output types are those of the call.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not name an orchestrator",
    label = "expected a function annotated with `#[orchestrator]`, or a name"
)]
pub trait SubOrchestratorFn<M> {
    /// The input of the call.
    type Input: Serialize;
    /// What the call yields.
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

impl<M, F> SubOrchestratorFn<(M,)> for F
where
    F: OrchestratorItem<M>,
{
    type Input = <F::Definition as OrchestratorDefinition>::Input;
    type Output = <F::Definition as OrchestratorDefinition>::Output;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::of_static(F::Definition::NAME)
    }

    fn version(&self) -> Option<Version> {
        F::Definition::VERSION.and_then(|version| Version::new(version).ok())
    }
}

/// Marks a child that is called by name.
#[derive(Debug)]
pub struct ChildByName<I, O>(PhantomData<fn(I) -> O>);

impl<I: Serialize, O: DeserializeOwned> SubOrchestratorFn<ChildByName<I, O>> for &str {
    type Input = I;
    type Output = O;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        FunctionName::new(self)
    }
}

impl<I: Serialize, O: DeserializeOwned> SubOrchestratorFn<ChildByName<I, O>> for FunctionName {
    type Input = I;
    type Output = O;

    fn name(&self) -> Result<FunctionName, InvalidName> {
        Ok(self.clone())
    }
}

/// A call of a child orchestration. The child runs from the moment the call was made; awaiting it gives its result.
///
/// Dropping it before it is done terminates the child, with its own children. To start an orchestration and leave it alone,
/// use [`start_orchestrator`](super::OrchestrationContext::start_orchestrator).
///
/// Options are part of the call, which the current turn commits: set them before anything is awaited. An option that comes
/// later, or that is not valid, makes the call fail.
#[must_use = "dropping a call terminates the child: await it"]
pub struct SubOrchestrationCall<T> {
    name: Option<FunctionName>,
    call: RawCall,
    output: PhantomData<fn() -> T>,
}

impl<T> SubOrchestrationCall<T> {
    pub(super) fn new(name: FunctionName, call: RawCall) -> Self {
        Self { name: Some(name), call, output: PhantomData }
    }

    pub(super) fn refused(handle: &ReplayHandle, failure: Box<FailureDetails>) -> Self {
        Self { name: None, call: RawCall::refused(handle, failure), output: PhantomData }
    }

    /// The id of the child, or of the last one that a retried call has started; `None` when the call was refused.
    #[must_use]
    pub fn instance_id(&self) -> Option<InstanceId> {
        if self.call.is_refused() { None } else { self.call.with_template(Template::child)? }
    }

    /// Gives the child an id of your own. Without one it is made of the parent's id and the place of the call.
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the type `InvalidInstanceId` when the id breaks a rule, or is that of this instance or
    /// of its parent.
    pub fn id<I>(mut self, id: I) -> Self
    where
        I: TryInto<InstanceId>,
        I::Error: std::error::Error + 'static,
    {
        match checked_id(self.call.handle().header(), id) {
            Ok(id) => self.call.amend("id", |template| {
                template.derives_id = false;
                change(template, |child, _| child.instance = id.clone());
            }),
            Err(failure) => self.call.refuse(failure),
        }
        self
    }

    /// Starts the child in this version, and not in the one that its worker would choose.
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the type `InvalidVersion` when the text is not a version.
    pub fn version<V>(mut self, version: V) -> Self
    where
        V: TryInto<Version>,
        V::Error: Into<InvalidVersion>,
    {
        match checked_version(version) {
            Ok(version) => self.call.amend("version", |template| {
                change(template, |child, _| child.version = Some(version.clone()));
            }),
            Err(failure) => self.call.refuse(failure),
        }
        self
    }

    /// Gives the child a tag, over those that it inherits from this instance.
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the type `InvalidTag` when key or value break a rule.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        let (key, value) = (key.into(), value.into());
        let mut refused = None;
        if let Some(mut copy) = self.call.with_template(Template::copy) {
            // The rules count the other tags too, so the tag is tried on a copy.
            change(&mut copy, |child, _| refused = child.tags.insert(key.clone(), value.clone()).err());
        }
        match refused {
            Some(error) => self.call.refuse(FailureDetails::from_error("InvalidTag", &error).non_retriable()),
            None => self.call.amend("tag", |template| {
                change(template, |child, _| drop(child.tags.insert(key.clone(), value.clone())));
            }),
        }
        self
    }

    /// What to do when an instance has the id already. A live child is never replaced.
    pub fn id_reuse(mut self, policy: IdReusePolicy) -> Self {
        self.call.amend("id_reuse", |template| change(template, |_, id_reuse| *id_reuse = policy));
        self
    }

    /// Starts the child again when it fails, as the policy says. A child without an id of your own gets a new one with each
    /// attempt; one with an id gets the same, as far as the reuse policy allows.
    ///
    /// See [`ActivityCall::retry`](super::ActivityCall::retry).
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the failure of the last attempt.
    ///
    /// # Determinism
    ///
    /// Changing a policy changes what running instances do.
    ///
    /// # History
    ///
    /// `SubOrchestrationInstanceCreated` and `SubOrchestrationInstanceFailed` for each attempt, `TimerCreated` and
    /// `TimerFired` between them.
    pub fn retry(mut self, policy: RetryPolicy) -> Self {
        retry::with_policy(&mut self.call, policy);
        self
    }

    /// Asks a handler after each failure whether to start the child again.
    ///
    /// See [`ActivityCall::retry_with`](super::ActivityCall::retry_with).
    ///
    /// # Errors
    ///
    /// Awaiting the call fails with the failure of the last attempt.
    ///
    /// # Determinism
    ///
    /// The handler runs in every replay, and is bound by the rules for orchestrators.
    ///
    /// # History
    ///
    /// `SubOrchestrationInstanceCreated` and `SubOrchestrationInstanceFailed` for each attempt, and what the handler does.
    pub fn retry_with<H, R>(mut self, handler: H) -> Self
    where
        H: Fn(RetryContext) -> R + Send + Sync + 'static,
        R: Future<Output = bool> + Send + 'static,
    {
        retry::with_handler(&mut self.call, handler);
        self
    }
}

fn change(template: &mut Template, change: impl FnOnce(&mut ChildStart, &mut IdReusePolicy)) {
    if let Action::StartChild { child, id_reuse, .. } = &mut template.action {
        change(child, id_reuse);
    }
}

pub(super) fn checked_id<I>(header: &ExecutionHeader, id: I) -> Result<InstanceId, FailureDetails>
where
    I: TryInto<InstanceId>,
    I::Error: std::error::Error + 'static,
{
    const TYPE: &str = "InvalidInstanceId";
    let id = id.try_into().map_err(|error| FailureDetails::from_error(TYPE, &error).non_retriable())?;
    let whose = if id == header.instance {
        "this instance"
    } else if header.parent.as_ref().is_some_and(|parent| parent.instance == id) {
        "the parent of this instance"
    } else {
        return Ok(id);
    };
    Err(FailureDetails::new(TYPE, format!("an orchestration cannot start '{id}': it is the id of {whose}"))
        .non_retriable())
}

pub(super) fn checked_version<V>(version: V) -> Result<Version, FailureDetails>
where
    V: TryInto<Version>,
    V::Error: Into<InvalidVersion>,
{
    version.try_into().map_err(|error| FailureDetails::from_error("InvalidVersion", &error.into()).non_retriable())
}

impl<T: DeserializeOwned> Future for SubOrchestrationCall<T> {
    type Output = Result<T, OrchestratorError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let is_refused = this.call.is_refused();
        let result = ready!(Pin::new(&mut this.call).poll(cx));
        let name = this.name.as_ref().map_or("", |name| name.as_str());
        Poll::Ready(match result {
            Ok(payload) => payload.decode().map_err(|error| {
                let cause = FailureDetails::from_error("InvalidPayload", &error);
                let message = format!("the result of orchestration '{name}' is no `{}`", std::any::type_name::<T>());
                FailureDetails::new("InvalidResult", message).non_retriable().caused_by(cause).into()
            }),
            Err(refusal) if is_refused => Err(refusal.into()),
            Err(failure) => {
                let id = this.instance_id().map(|id| id.to_string()).unwrap_or_default();
                let message = format!("child orchestration '{name}' (instance '{id}') failed");
                Err(failed("SubOrchestrationFailed", message, *failure).into())
            }
        })
    }
}

impl<T> fmt::Debug for SubOrchestrationCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubOrchestrationCall").field("name", &self.name).finish_non_exhaustive()
    }
}
