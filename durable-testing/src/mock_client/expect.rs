//! Saying what is expected, word by word.

use std::any::Any;
use std::fmt;
use std::marker::PhantomData;
use std::panic::Location;
use std::sync::Arc;

use durable_core::client::{ClientError, ClientErrorKind};
use durable_core::model::InstanceId;
use parking_lot::Mutex;

use super::expectation::{Condition, Expectation, Pattern, Times};
use super::operation::Operation;
use super::{Call, MockClient};

/// An expectation that still lacks its answer. Made by the `expect_` methods of [`MockClient`].
///
/// Conditions come first (`with_input`, `times`), the answer last (`returns`, `fails`, `succeeds`); with it the expectation
/// holds. What is not said about a call does not matter.
#[must_use = "nothing is expected before it has an answer"]
pub struct Expect<'m, O> {
    mock: &'m MockClient,
    pattern: Pattern,
    times: Times,
    pub(super) id: Option<InstanceId>,
    location: &'static Location<'static>,
    operation: PhantomData<fn(O)>,
}

impl<'m, O: Operation> Expect<'m, O> {
    pub(super) fn new(mock: &'m MockClient, location: &'static Location<'static>) -> Self {
        let pattern = Pattern { operation: O::NAME, conditions: Vec::new() };
        Self { mock, pattern, times: Times::ONCE, id: None, location, operation: PhantomData }
    }

    /// An expectation about this instance.
    pub(super) fn about(mock: &'m MockClient, id: InstanceId, location: &'static Location<'static>) -> Self {
        let wanted = id.clone();
        let this = Self { id: Some(id), ..Self::new(mock, location) };
        this.when(format!("'{wanted}'"), move |call| call.id() == Some(&wanted))
    }

    /// The call fits when `holds` says so. The text stands in messages, behind the name of the method: `with a long input`.
    pub fn when(mut self, text: impl Into<String>, holds: impl Fn(&Call) -> bool + Send + Sync + 'static) -> Self {
        self.pattern.conditions.push(Condition { text: text.into(), holds: Box::new(holds) });
        self
    }

    /// The call comes exactly so often. Without this, once.
    pub fn times(mut self, n: usize) -> Self {
        self.times = Times::exactly(n);
        self
    }

    /// The call comes once or more.
    pub fn at_least_once(mut self) -> Self {
        self.times = Times::at_least(1);
        self
    }

    /// The call may come, and as often as it likes.
    pub fn any_times(mut self) -> Self {
        self.times = Times::at_least(0);
        self
    }

    /// The call must not come, not even to a lenient mock.
    pub fn never(mut self) {
        self.times = Times::exactly(0);
        self.answers(|_| Err(ClientError::new(ClientErrorKind::ShutDown)));
    }

    /// Every such call gives this.
    pub fn returns(self, answer: O::Answer) {
        self.answers(move |_| Ok(answer.clone()));
    }

    /// Every such call fails with an error of this kind.
    pub fn fails(self, kind: ClientErrorKind) {
        self.answers(move |_| Err(ClientError::new(kind.clone())));
    }

    /// The closure answers. It may look at the call, keep a state, and ask the mock what came before.
    pub fn answers(self, mut answer: impl FnMut(&Call) -> Result<O::Answer, ClientError> + Send + 'static) {
        let Self { mock, pattern, times, location, .. } = self;
        let boxed = move |call: &Call| answer(call).map(|answer| Box::new(answer) as Box<dyn Any + Send>);
        mock.add(Expectation { pattern, times, answer: Arc::new(Mutex::new(boxed)), location, came: 0 });
    }
}

impl<O> fmt::Debug for Expect<'_, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Expect({}: {}; {})", self.location, self.pattern, self.times)
    }
}
