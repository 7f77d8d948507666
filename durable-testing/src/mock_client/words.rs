//! The conditions and answers that only some kinds of calls have.

use std::fmt::Display;
use std::time::Duration;

use durable_core::client::{ClientErrorKind, InstancePage, InstanceQuery, InstanceStatus, PurgePage, WaitUntil};
use durable_core::model::{InstanceId, RuntimeStatus};
use serde::Serialize;

use super::instance::{payload, valid_id};
use super::operation::{
    List, Operation, Purge, PurgeMany, Queried, RaiseEvent, Reasoned, Recursive, Restart, Start, Wait,
};
use super::{Call, Expect, Instance};

/// The name of the orchestrator where a test does not say it.
const SOME_ORCHESTRATOR: &str = "orchestrator";

impl Expect<'_, Start> {
    /// With this input, whatever the order of its fields.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn with_input<T: Serialize + ?Sized>(self, input: &T) -> Self {
        let input = payload(input);
        self.when(
            format!("with the input {input}"),
            move |call| matches!(call, Call::Start(request) if request.input.same_value(&input)),
        )
    }

    /// Under this id.
    ///
    /// # Panics
    ///
    /// The id is not valid.
    #[track_caller]
    pub fn with_id<I>(self, id: I) -> Self
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        let id = valid_id(id);
        self.when(
            format!("as '{id}'"),
            move |call| matches!(call, Call::Start(request) if request.id.as_ref() == Some(&id)),
        )
    }

    /// Under a new id: none is asked for.
    pub fn without_id(self) -> Self {
        self.when("without an id", |call| matches!(call, Call::Start(request) if request.id.is_none()))
    }

    /// With this tag, among others.
    pub fn with_tag(self, key: &str, value: &str) -> Self {
        let text = format!("tagged {key}={value}");
        let (key, value) = (key.to_owned(), value.to_owned());
        self.when(text, move |call| matches!(call, Call::Start(request) if request.tags.get(&key) == Some(&*value)))
    }

    /// In this version.
    pub fn with_version(self, version: &str) -> Self {
        let text = format!("in version '{version}'");
        let version = version.to_owned();
        self.when(text, move |call| {
            matches!(call, Call::Start(request)
                if request.version.as_ref().is_some_and(|asked| asked.as_str() == version))
        })
    }
}

impl Expect<'_, Restart> {
    /// Under a new id.
    pub fn under_new_id(self) -> Self {
        self.when("under a new id", |call| matches!(call, Call::Restart { request, .. } if request.new_id))
    }

    /// Under its own id.
    pub fn under_own_id(self) -> Self {
        self.when("under its own id", |call| matches!(call, Call::Restart { request, .. } if !request.new_id))
    }
}

/// Calls that give a new instance: starts and restarts.
impl<O: Operation<Answer = InstanceId>> Expect<'_, O> {
    /// The new instance has this id.
    ///
    /// # Panics
    ///
    /// The id is not valid.
    #[track_caller]
    pub fn returns_id<I>(self, id: I)
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        self.returns(valid_id(id));
    }
}

/// Answers that show an instance: those of `status` and `wait`.
impl<O: Operation<Answer = Option<InstanceStatus>>> Expect<'_, O> {
    /// This instance.
    pub fn shows(self, instance: impl Into<InstanceStatus>) {
        self.returns(Some(instance.into()));
    }

    /// There is no such instance.
    pub fn finds_nothing(self) {
        self.returns(None);
    }

    /// It is accepted and has not run yet. Like the following words, this shows an orchestrator of no special name;
    /// [`shows`](Self::shows) with an [`Instance`] says more.
    pub fn pending(self) {
        self.shows_as(|instance| instance);
    }

    /// It runs.
    pub fn running(self) {
        self.shows_as(Instance::running);
    }

    /// It is paused.
    pub fn suspended(self) {
        self.shows_as(Instance::suspended);
    }

    /// It has completed with this output.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn completed<T: Serialize + ?Sized>(self, output: &T) {
        let output = payload(output);
        self.shows_as(|instance| instance.completed(&output));
    }

    /// It has failed with this message.
    pub fn failed(self, message: impl Into<String>) {
        self.shows_as(|instance| instance.failed(message));
    }

    /// It was terminated for this reason.
    pub fn terminated(self, reason: impl Into<String>) {
        self.shows_as(|instance| instance.terminated(reason));
    }

    fn shows_as(self, change: impl FnOnce(Instance) -> Instance) {
        // An expectation of these kinds is always about an instance.
        let instance = self.id.clone().map(|id| change(Instance::new(id, SOME_ORCHESTRATOR)).into());
        self.returns(instance);
    }
}

impl Expect<'_, Wait> {
    /// As far as this.
    pub fn until(self, until: WaitUntil) -> Self {
        self.when(
            format!("until {until:?}"),
            move |call| matches!(call, Call::Wait { until: asked, .. } if *asked == until),
        )
    }

    /// For so long; `None` means without a limit.
    pub fn with_timeout(self, timeout: Option<Duration>) -> Self {
        self.when(
            format!("with the timeout {timeout:?}"),
            move |call| matches!(call, Call::Wait { timeout: asked, .. } if *asked == timeout),
        )
    }

    /// The time runs out, at once and without any waiting; the instance runs.
    pub fn times_out(self) {
        self.running();
    }

    /// The instance completes with this output.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn completes<T: Serialize + ?Sized>(self, output: &T) {
        self.completed(output);
    }

    /// The instance fails with this message. The call itself fails with [`fails`](Self::fails).
    pub fn fails_with(self, message: impl Into<String>) {
        self.failed(message);
    }

    /// The instance is terminated for this reason.
    pub fn is_terminated(self, reason: impl Into<String>) {
        self.terminated(reason);
    }
}

impl Expect<'_, RaiseEvent> {
    /// With this payload, whatever the order of its fields.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn with_payload<T: Serialize + ?Sized>(self, wanted: &T) -> Self {
        let wanted = payload(wanted);
        self.when(
            format!("with the payload {wanted}"),
            move |call| matches!(call, Call::RaiseEvent { payload, .. } if payload.same_value(&wanted)),
        )
    }
}

/// Calls that give nothing: events, terminations, pauses, rewinds.
impl<O: Operation<Answer = ()>> Expect<'_, O> {
    /// It is done.
    pub fn succeeds(self) {
        self.returns(());
    }

    /// The call fails since there is no such instance.
    pub fn fails_as_not_found(self) {
        self.fails_about(|id| ClientErrorKind::NotFound { id });
    }

    /// The call fails since the instance is finished.
    pub fn fails_as_finished(self, status: RuntimeStatus) {
        self.fails_about(|id| ClientErrorKind::Finished { id, status });
    }

    fn fails_about(self, kind: impl FnOnce(InstanceId) -> ClientErrorKind) {
        // An expectation of these kinds is always about an instance.
        let kind = self.id.clone().map_or(ClientErrorKind::ShutDown, kind);
        self.fails(kind);
    }
}

impl<O: Reasoned> Expect<'_, O> {
    /// For this reason.
    pub fn with_reason(self, reason: &str) -> Self {
        let text = format!("because {reason:?}");
        let reason = reason.to_owned();
        self.when(text, move |call| call.reason() == Some(&*reason))
    }
}

impl<O: Recursive> Expect<'_, O> {
    /// With the orchestrations below it.
    pub fn recursive(self) -> Self {
        self.when("with all below it", Call::is_recursive)
    }

    /// Without the orchestrations below it.
    pub fn alone(self) -> Self {
        self.when("alone", |call| !call.is_recursive())
    }
}

impl<O: Queried> Expect<'_, O> {
    /// With exactly this query.
    pub fn with_query(self, query: InstanceQuery) -> Self {
        self.when(format!("{query:?}"), move |call| call.query() == Some(&query))
    }
}

impl Expect<'_, Purge> {
    /// Also when it is not finished.
    pub fn by_force(self) -> Self {
        self.when("by force", |call| matches!(call, Call::Purge { request, .. } if request.force))
    }

    /// So many instances are removed.
    pub fn removes(self, count: u64) {
        self.returns(count);
    }
}

impl Expect<'_, PurgeMany> {
    /// So many instances are removed, and that is the last page.
    pub fn removes(self, deleted: u64) {
        self.returns(PurgePage { deleted, continuation: None });
    }
}

impl Expect<'_, List> {
    /// These instances, on the last page.
    pub fn shows_all<S: Into<InstanceStatus>>(self, instances: impl IntoIterator<Item = S>) {
        let instances = instances.into_iter().map(Into::into).collect();
        self.returns(InstancePage { instances, continuation: None });
    }
}
