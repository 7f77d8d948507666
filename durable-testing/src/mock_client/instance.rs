//! Instances as a test wants them.

use std::fmt::Display;

use durable_core::client::InstanceStatus;
use durable_core::model::{FailureDetails, FunctionName, InstanceId, Payload, RuntimeStatus, Timestamp, Version};
use serde::Serialize;

use crate::or_fail::OrFail as _;

/// The beginning of 2024, when all instances were created that a test says nothing else of.
pub(super) const CREATED: Timestamp = Timestamp::from_ticks(17_040_672_000_000_000);

/// An instance for a [`MockClient`](super::MockClient): where it stands, and whatever else matters to the test.
///
/// ```
/// use durable_core::client::InstanceStatus;
/// use durable_core::prelude::*;
/// use durable_testing::mock_client::Instance;
///
/// let status: InstanceStatus = Instance::new("abc", "hello_cities").input(&["Tokyo"]).completed(&["Hello Tokyo!"]).into();
/// assert_eq!(status.runtime_status, RuntimeStatus::Completed);
/// ```
#[derive(Debug, Clone, PartialEq)]
#[must_use = "an instance does nothing before it is put into a mock"]
pub struct Instance(InstanceStatus);

impl Instance {
    /// An instance that has just been accepted, with the input `null`, created at the beginning of 2024.
    ///
    /// # Panics
    ///
    /// The id or the name of the orchestrator is not valid.
    #[track_caller]
    pub fn new<I>(id: I, orchestrator: &str) -> Self
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        let name = FunctionName::new(orchestrator).or_fail(|error| error.to_string());
        Self(InstanceStatus::pending(valid_id(id), name, Payload::null(), CREATED))
    }

    /// With this input.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn input<T: Serialize + ?Sized>(mut self, input: &T) -> Self {
        self.0.input = payload(input);
        self
    }

    /// With this custom status.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn custom_status<T: Serialize + ?Sized>(mut self, status: &T) -> Self {
        self.0.custom_status = Some(payload(status));
        self
    }

    /// With this tag.
    ///
    /// # Panics
    ///
    /// The tag is not valid.
    #[track_caller]
    pub fn tag(mut self, key: &str, value: &str) -> Self {
        self.0.tags.insert(key, value).or_fail(|error| error.to_string());
        self
    }

    /// In this version.
    ///
    /// # Panics
    ///
    /// The text is no version.
    #[track_caller]
    pub fn version(mut self, version: &str) -> Self {
        self.0.version = Some(Version::new(version).or_fail(|error| error.to_string()));
        self
    }

    /// A child of this instance.
    ///
    /// # Panics
    ///
    /// The id is not valid.
    #[track_caller]
    pub fn child_of<I>(mut self, parent: I) -> Self
    where
        I: TryInto<InstanceId>,
        I::Error: Display,
    {
        self.0.parent_id = Some(valid_id(parent));
        self
    }

    /// Created, and last changed, at this time.
    pub fn created_at(mut self, time: Timestamp) -> Self {
        self.0.created_at = time;
        self.0.last_updated_at = time;
        self
    }

    /// It is in this state.
    pub fn in_state(mut self, status: RuntimeStatus) -> Self {
        self.0.runtime_status = status;
        self
    }

    /// It runs.
    pub fn running(self) -> Self {
        self.in_state(RuntimeStatus::Running)
    }

    /// It is paused.
    pub fn suspended(self) -> Self {
        self.in_state(RuntimeStatus::Suspended)
    }

    /// It has completed with this output.
    ///
    /// # Panics
    ///
    /// The value has no JSON form.
    #[track_caller]
    pub fn completed<T: Serialize + ?Sized>(mut self, output: &T) -> Self {
        self.0.output = Some(payload(output));
        self.in_state(RuntimeStatus::Completed)
    }

    /// It has failed with this message.
    pub fn failed(self, message: impl Into<String>) -> Self {
        self.failed_with(FailureDetails::new("Error", message))
    }

    /// It has failed with this error.
    pub fn failed_with(mut self, failure: FailureDetails) -> Self {
        self.0.failure = Some(failure);
        self.in_state(RuntimeStatus::Failed)
    }

    /// It was terminated for this reason.
    pub fn terminated(mut self, reason: impl Into<String>) -> Self {
        self.0.termination_reason = Some(reason.into());
        self.in_state(RuntimeStatus::Terminated)
    }
}

impl From<Instance> for InstanceStatus {
    fn from(instance: Instance) -> Self {
        instance.0
    }
}

#[track_caller]
pub(super) fn valid_id<I>(id: I) -> InstanceId
where
    I: TryInto<InstanceId>,
    I::Error: Display,
{
    id.try_into().or_fail(|error| error.to_string())
}

#[track_caller]
pub(super) fn payload<T: Serialize + ?Sized>(value: &T) -> Payload {
    Payload::encode(value).or_fail(|error| error.to_string())
}
