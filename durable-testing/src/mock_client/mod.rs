//! A durable client for unit tests: no hub, no store, no time.

mod call;
mod client;
mod expect;
mod expectation;
mod instance;
mod named;
pub mod operation;
mod script;
mod words;
mod world;

use std::fmt::{self, Display};
use std::panic::Location;
use std::sync::Arc;

use durable_core::client::{Client, DurableClient, InstanceStatus};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, InstanceId, TaskHubName};
use parking_lot::Mutex;

pub use self::call::Call;
use self::client::Shared;
pub use self::expect::Expect;
use self::expectation::Expectation;
pub use self::instance::Instance;
use self::instance::valid_id;
pub use self::named::NamesOrchestrator;
use self::operation::Operation;
use self::script::Script;
use crate::or_fail::OrFail as _;

/// A durable client that answers what it is told to, and writes down what it is asked: for tests of code that takes a
/// [`Client`] or a [`DurableClient`], such as HTTP starters.
///
/// It is strict: a call that is not expected panics, with the call, the expectations and their lines. The test fails at its
/// end when an expected call did not come ([`verify`](Self::verify), or when the mock is dropped). Without
/// [`in_order`](Self::in_order) the calls may come in any order; of several expectations that fit, the first that has not
/// been met often enough is taken. Waits answer at once: nothing ever sleeps.
///
/// ```
/// use std::time::Duration;
/// use durable_core::client::{ClientError, ClientErrorKind};
/// use durable_core::prelude::*;
/// use durable_testing::MockClient;
///
/// /// The code under test: starts a greeting and waits a little for it.
/// async fn greet(client: &Client, name: &str) -> Result<String, ClientError> {
///     let run = client.start("hello", name).await?;
///     let status = run.wait_timeout(Duration::from_secs(10)).await?;
///     Ok(match status.output {
///         Some(greeting) => format!("200 {greeting}"),
///         None => format!("202 look at {}", run.id()),
///     })
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mock = MockClient::new();
/// mock.expect_start("hello").with_input("Ada").returns_id("abc");
/// mock.expect_wait("abc").with_timeout(Some(Duration::from_secs(10))).completes("Hello Ada!");
/// assert_eq!(greet(&mock.client(), "Ada").await?, r#"200 "Hello Ada!""#);
/// mock.verify();
///
/// let mock = MockClient::new();
/// mock.expect_start("hello").returns_id("abc");
/// mock.expect_wait("abc").times_out();
/// assert_eq!(greet(&mock.client(), "Ada").await?, "202 look at abc");
///
/// let mock = MockClient::new();
/// mock.expect_start("hello").fails(ClientErrorKind::ShutDown);
/// assert!(greet(&mock.client(), "Ada").await.unwrap_err().is_shut_down());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// A [`lenient`](Self::lenient) mock takes every call, and keeps simple instances. Nothing runs in it: an instance that is
/// started stays Pending until the test [puts](Self::put) it elsewhere.
///
/// ```
/// use durable_core::prelude::*;
/// use durable_testing::{MockClient, mock_client::Instance};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let mock = MockClient::lenient();
/// mock.put(Instance::new("abc", "hello").completed("Hello Ada!"));
/// let client = mock.client();
/// let error = client.raise_event(&"abc".try_into()?, "Approval", &true).await.unwrap_err();
/// assert!(error.is_finished());
/// assert_eq!(mock.calls().len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct MockClient(Arc<Shared>);

impl MockClient {
    /// A strict mock: each call has to be expected.
    #[must_use]
    pub fn new() -> Self {
        Self::with(false)
    }

    /// A mock that takes every call. Expectations go first; what none of them is about is answered by the instances that
    /// were [put](Self::put) there or started.
    #[must_use]
    pub fn lenient() -> Self {
        Self::with(true)
    }

    fn with(is_lenient: bool) -> Self {
        let hub = TaskHubName::new("MockHub").unwrap_or_default();
        Self(Arc::new(Shared { hub, is_lenient, script: Mutex::new(Script::default()) }))
    }

    /// Calls have to come in the order in which they are expected. Where an expectation leaves open how often, the next one
    /// ends it.
    #[must_use]
    pub fn in_order(self) -> Self {
        self.0.script.lock().in_order = true;
        self
    }

    /// The client for the code under test.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::new(self.durable_client())
    }

    /// The same without types, for code that takes the trait.
    #[must_use]
    pub fn durable_client(&self) -> Arc<dyn DurableClient> {
        Arc::clone(&self.0) as Arc<dyn DurableClient>
    }

    /// What was asked so far, in the order of its arrival.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.0.script.lock().calls.clone()
    }

    /// Puts an instance there, or changes it. Only a lenient mock looks at it.
    pub fn put(&self, instance: impl Into<InstanceStatus>) {
        self.0.script.lock().world.put(instance.into());
    }

    /// Gives an instance that is there a history.
    ///
    /// # Panics
    ///
    /// There is no such instance.
    #[track_caller]
    pub fn put_history<I>(&self, id: I, history: Vec<HistoryEvent>)
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        let id = valid_id(id);
        let is_there = self.0.script.lock().world.put_history(&id, history);
        assert!(is_there, "no instance '{id}' was put into the mock");
    }

    /// An instance as it stands: put there, or changed by calls that a lenient mock took.
    #[must_use]
    #[track_caller]
    pub fn instance<I>(&self, id: I) -> Option<InstanceStatus>
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        let id = valid_id(id);
        self.0.script.lock().world.status(&id)
    }

    /// Checks that every expected call came, and no other. Dropping the mock checks it too, unless the test fails already.
    ///
    /// # Panics
    ///
    /// A call did not come; or an unexpected one came, whose panic a task has swallowed.
    #[track_caller]
    pub fn verify(&self) {
        let mut script = self.0.script.lock();
        script.verified = true;
        let wrong = script.about_unmet();
        drop(script);
        if let Some(message) = wrong {
            panic!("{message}");
        }
    }

    fn add(&self, expectation: Expectation) {
        let mut script = self.0.script.lock();
        script.verified = false;
        script.expectations.push(expectation);
    }
}

macro_rules! expect_about_an_instance {
    ($($(#[$docs:meta])* $method:ident: $operation:ident;)*) => {
        /// Expectations about an instance. They panic when the id is not valid.
        impl MockClient {
            $(
                $(#[$docs])*
                #[track_caller]
                pub fn $method<I>(&self, id: I) -> Expect<'_, operation::$operation>
                where
                    I: TryInto<InstanceId>,
                    I::Error: Display,
                {
                    self.about(id)
                }
            )*
        }
    };
}

expect_about_an_instance! {
    /// The state of an instance is asked for.
    expect_status: Status;
    /// An instance is waited for.
    expect_wait: Wait;
    /// An instance is terminated.
    expect_terminate: Terminate;
    /// An instance is paused.
    expect_suspend: Suspend;
    /// An instance is let go on.
    expect_resume: Resume;
    /// The failure of an instance is taken back.
    expect_rewind: Rewind;
    /// An instance is started once more.
    expect_restart: Restart;
    /// An instance is removed.
    expect_purge: Purge;
    /// The open activity calls of an instance are asked for.
    expect_activities: Activities;
    /// The history of an instance is asked for.
    expect_history: History;
}

impl MockClient {
    /// An orchestrator is started, given as the annotated function or by name.
    ///
    /// # Panics
    ///
    /// The name is not valid.
    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "as in `Client::start`")]
    pub fn expect_start<M, F: NamesOrchestrator<M>>(&self, orchestrator: F) -> Expect<'_, operation::Start> {
        let name = orchestrator.orchestrator_name().or_fail(|error| error.to_string());
        self.expect()
            .when(format!("of '{name}'"), move |call| matches!(call, Call::Start(request) if request.name == name))
    }

    /// An event is sent to an instance.
    ///
    /// # Panics
    ///
    /// The id or the name of the event is not valid.
    #[track_caller]
    pub fn expect_raise_event<I>(&self, id: I, event: &str) -> Expect<'_, operation::RaiseEvent>
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        let event = EventName::new(event).or_fail(|error| error.to_string());
        self.about(id)
            .when(format!("'{event}'"), move |call| matches!(call, Call::RaiseEvent { name, .. } if *name == event))
    }

    /// A page of instances is removed: one step of [`Client::purge_where`].
    #[track_caller]
    pub fn expect_purge_many(&self) -> Expect<'_, operation::PurgeMany> {
        self.expect()
    }

    /// A page of instances is listed.
    #[track_caller]
    pub fn expect_list(&self) -> Expect<'_, operation::List> {
        self.expect()
    }

    /// Instances are counted.
    #[track_caller]
    pub fn expect_count(&self) -> Expect<'_, operation::Count> {
        self.expect()
    }

    #[track_caller]
    fn expect<O: Operation>(&self) -> Expect<'_, O> {
        Expect::new(self, Location::caller())
    }

    #[track_caller]
    fn about<O: Operation, I>(&self, id: I) -> Expect<'_, O>
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        Expect::about(self, valid_id(id), Location::caller())
    }
}

impl Default for MockClient {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for MockClient {
    fn drop(&mut self) {
        let verified = self.0.script.lock().verified;
        if !verified && !std::thread::panicking() {
            self.verify();
        }
    }
}

impl fmt::Debug for MockClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let script = self.0.script.lock();
        let expectations: Vec<_> = script.expectations.iter().map(ToString::to_string).collect();
        let mut shown = f.debug_struct("MockClient");
        shown.field("is_lenient", &self.0.is_lenient).field("expectations", &expectations);
        shown.field("calls", &script.calls).finish_non_exhaustive()
    }
}
