//! The handle with which a test says what a mocked function does.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use durable_core::failure::IntoFailure;
use durable_core::model::{FailureDetails, FunctionName, Payload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::answers::{Answer, Steps};
use super::mocks::{MockCall, Mocks};
use crate::or_fail::OrFail as _;

/// What is mocked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Activity,
    Orchestrator,
}

/// The answers of a mocked activity or sub-orchestration. Made by [`World::mock`](super::World::mock) and
/// [`World::mock_orchestrator`](super::World::mock_orchestrator).
///
/// Answers are given in turn, each to one call; the last one to every further call, too. A call for which there is none fails
/// the test.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::World;
/// use std::time::Duration;
///
/// #[activity]
/// async fn charge(amount: u64) -> Result<u64, ActivityError> { Ok(amount) }
///
/// #[orchestrator]
/// async fn pay(ctx: OrchestrationContext, amount: u64) -> Result<u64, OrchestratorError> {
///     ctx.call_activity(charge, amount).retry(RetryPolicy::fixed(3, Duration::from_secs(60))).await
/// }
///
/// let world = World::builder().orchestrator(pay).build();
/// let charges = world.mock(charge);
/// charges.fails_times(2, "the bank is closed").returns(7);
/// assert_eq!(world.start(pay, 5).output(), 7);
/// assert_eq!(charges.inputs(), [5, 5, 5]);
/// assert_eq!(world.elapsed(), Duration::from_secs(120));
/// ```
pub struct Mock<I, O> {
    mocks: Arc<Mocks>,
    name: FunctionName,
    kind: Kind,
    types: PhantomData<fn(I) -> O>,
}

impl<I: DeserializeOwned, O: Serialize> Mock<I, O> {
    pub(super) fn new(mocks: Arc<Mocks>, name: FunctionName, kind: Kind) -> Self {
        let mock = Self { mocks, name, kind, types: PhantomData };
        mock.steps(|_| ());
        mock
    }

    fn steps<T>(&self, change: impl FnOnce(&mut Steps) -> T) -> T {
        match self.kind {
            Kind::Activity => self.mocks.of_activity(&self.name, change),
            Kind::Orchestrator => self.mocks.of_orchestrator(&self.name, change),
        }
    }

    fn answer(&self, times: u32, answer: Answer) -> &Self {
        self.steps(|steps| steps.push(answer, times));
        self
    }

    #[track_caller]
    fn encode(output: &impl Serialize) -> Payload {
        Payload::encode(output).or_fail(|error| format!("the answer has no JSON form: {error}"))
    }

    /// Returns this value.
    ///
    /// # Panics
    ///
    /// When it has no JSON form.
    #[track_caller]
    pub fn returns(&self, output: O) -> &Self {
        self.answer(1, Answer::Returns(Self::encode(&output)))
    }

    /// Returns these values, one for each call.
    ///
    /// # Panics
    ///
    /// When one of them has no JSON form.
    #[track_caller]
    pub fn returns_in_turn(&self, outputs: impl IntoIterator<Item = O>) -> &Self {
        for output in outputs {
            self.returns(output);
        }
        self
    }

    /// Fails with this error: a text, an `ActivityError`, a type with `#[derive(Failure)]`.
    pub fn fails(&self, error: impl IntoFailure) -> &Self {
        self.fails_times(1, error)
    }

    /// Fails so many times.
    pub fn fails_times(&self, times: u32, error: impl IntoFailure) -> &Self {
        self.answer(times, Answer::Fails(error.into_failure()))
    }

    /// Panics, which fails the call.
    pub fn panics(&self, message: impl Into<String>) -> &Self {
        self.answer(1, Answer::Panics(message.into()))
    }

    /// Never answers.
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn hangs(&self) -> &Self {
        self.answer(1, Answer::Hangs)
    }

    /// Is the end of its process, as [`World::crash`](super::World::crash): the next one begins at once. Each time that the call
    /// is made again it gets the next answer.
    ///
    /// ```
    /// use durable_core::prelude::*;
    /// use durable_testing::World;
    ///
    /// #[activity]
    /// async fn render(page: u64) -> Result<u64, ActivityError> { Ok(page) }
    ///
    /// #[orchestrator]
    /// async fn publish(ctx: OrchestrationContext, page: u64) -> Result<u64, OrchestratorError> {
    ///     ctx.call_activity(render, page).await
    /// }
    ///
    /// let world = World::builder().orchestrator(publish).build();
    /// let renders = world.mock(render);
    /// renders.crashes().returns(7);
    /// assert_eq!(world.start(publish, 1).output(), 7);
    ///
    /// // One of which every process dies is given up.
    /// let world = World::builder().orchestrator(publish).hub(|hub| hub.max_deliveries(3)).build();
    /// let renders = world.mock(render);
    /// renders.crashes();
    /// assert!(world.start(publish, 1).failure().is_caused_by("Poison"));
    /// renders.assert_called(3);
    /// ```
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn crashes(&self) -> &Self {
        self.answer(1, Answer::Dies)
    }

    /// Answers with what a closure makes of the input and the number of the attempt.
    pub fn answers<E: IntoFailure>(&self, answer: impl Fn(I, u32) -> Result<O, E> + Send + Sync + 'static) -> &Self {
        self.answer(
            1,
            Answer::Does(Arc::new(move |input, attempt| {
                let input = input.decode().map_err(|error| FailureDetails::from_error("InvalidInput", &error))?;
                let output = answer(input, attempt).map_err(IntoFailure::into_failure)?;
                Payload::encode(&output).map_err(|error| FailureDetails::from_error("InvalidResult", &error))
            })),
        )
    }

    /// Lets so much virtual time pass before the last answer that was added is given.
    ///
    /// # Panics
    ///
    /// When no answer was added.
    #[track_caller]
    #[expect(clippy::must_use_candidate, reason = "it is called for its effect")]
    pub fn takes(&self, time: Duration) -> &Self {
        let is_there = self.steps(|steps| steps.last_mut().map(|step| step.takes = time).is_some());
        assert!(is_there, "say first what '{}' answers, and then how long it takes", self.name);
        self
    }

    /// The calls that reached it, in order.
    ///
    /// # Panics
    ///
    /// When an input is not what the function takes.
    #[must_use]
    #[track_caller]
    pub fn calls(&self) -> Vec<MockCall<I>> {
        let calls = self.mocks.calls().into_iter().filter(|call| call.function == self.name);
        let typed = calls.map(|call| MockCall {
            input: serde_json::from_value(call.input.clone())
                .unwrap_or_else(|error| panic!("the input {} of '{}': {error}", call.input, call.function)),
            function: call.function,
            instance: call.instance,
            attempt: call.attempt,
            delivery: call.delivery,
            at: call.at,
            order: call.order,
        });
        typed.collect()
    }

    /// The inputs of the calls that reached it, in order.
    ///
    /// # Panics
    ///
    /// As [`calls`](Self::calls).
    #[must_use]
    #[track_caller]
    pub fn inputs(&self) -> Vec<I> {
        self.calls().into_iter().map(|call| call.input).collect()
    }

    /// Fails the test unless it was called so many times.
    ///
    /// # Panics
    ///
    /// When it was not.
    #[track_caller]
    pub fn assert_called(&self, times: usize) {
        let calls: Vec<_> = self.mocks.calls().into_iter().filter(|call| call.function == self.name).collect();
        assert!(
            calls.len() == times,
            "'{}' was called {} times instead of {times}: {calls:#?}",
            self.name,
            calls.len()
        );
    }

    /// Fails the test if it was called.
    ///
    /// # Panics
    ///
    /// When it was.
    #[track_caller]
    pub fn assert_never_called(&self) {
        self.assert_called(0);
    }
}

impl<I: DeserializeOwned + PartialEq + fmt::Debug, O: Serialize> Mock<I, O> {
    /// Fails the test unless it was called once, with this input.
    ///
    /// # Panics
    ///
    /// When it was not.
    #[track_caller]
    pub fn assert_called_once_with(&self, input: I) {
        self.assert_called(1);
        assert_eq!(self.inputs(), [input], "the input of '{}'", self.name);
    }
}

impl<I, O> Clone for Mock<I, O> {
    fn clone(&self) -> Self {
        Self { mocks: Arc::clone(&self.mocks), name: self.name.clone(), kind: self.kind, types: PhantomData }
    }
}

impl<I, O> fmt::Debug for Mock<I, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mock").field("name", &self.name).finish_non_exhaustive()
    }
}
