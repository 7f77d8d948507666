//! An orchestration that was started and is left alone.

use std::time::Duration;

use super::child::{checked_id, checked_version};
use super::hold::{derived_id, late_option};
use crate::failure::OrchestratorError;
use crate::history::{Action, ChildStart};
use crate::model::{
    FailureDetails, FunctionName, IdReusePolicy, InstanceId, InvalidVersion, Payload, SourceLocation, TaskId,
    Timestamp, Version,
};
use crate::replay::ReplayHandle;

/// An orchestration that this one has started and does not wait for.
///
/// It is started by the current turn, with the options that are set before anything is awaited. Dropping this value does
/// nothing. An option that is refused takes the start back.
#[derive(Debug, Clone)]
pub struct StartedOrchestration {
    handle: ReplayHandle,
    task: Option<TaskId>,
    instance: InstanceId,
}

impl StartedOrchestration {
    pub(super) fn start(
        handle: &ReplayHandle,
        name: FunctionName,
        version: Option<Version>,
        input: Payload,
        source: SourceLocation,
    ) -> Result<Self, Box<FailureDetails>> {
        let mut instance = handle.header().instance.clone();
        let task = handle.emit(|task| {
            instance = derived_id(handle.header(), task);
            let mut child = Box::new(ChildStart::new(instance.clone(), name, input));
            child.is_detached = true;
            child.version = version;
            Action::StartChild { child, id_reuse: IdReusePolicy::default(), source }
        })?;
        Ok(Self { handle: handle.clone(), task, instance })
    }

    /// The id of the orchestration.
    #[must_use]
    pub fn instance_id(&self) -> &InstanceId {
        &self.instance
    }

    /// Gives the orchestration an id of your own. Without one it is made of this instance's id and the place of the call.
    ///
    /// # Errors
    ///
    /// The id breaks a rule, or is that of this instance or of its parent; or the start is committed already.
    pub fn id<I>(mut self, id: I) -> Result<Self, OrchestratorError>
    where
        I: TryInto<InstanceId>,
        I::Error: std::error::Error + 'static,
    {
        let id = checked_id(self.handle.header(), id).map_err(|failure| self.withdraw(failure))?;
        self.instance = id.clone();
        self.amend("id", |child, _| child.instance = id)
    }

    /// Starts the orchestration in this version, and not in the one that its worker would choose.
    ///
    /// # Errors
    ///
    /// The text is not a version, or the start is committed already.
    pub fn version<V>(self, version: V) -> Result<Self, OrchestratorError>
    where
        V: TryInto<Version>,
        V::Error: Into<InvalidVersion>,
    {
        let version = checked_version(version).map_err(|failure| self.withdraw(failure))?;
        self.amend("version", |child, _| child.version = Some(version))
    }

    /// Gives the orchestration a tag, over those that it inherits from this instance.
    ///
    /// # Errors
    ///
    /// Key or value break a rule, or the start is committed already.
    pub fn tag(self, key: impl Into<String>, value: impl Into<String>) -> Result<Self, OrchestratorError> {
        let mut refused = None;
        let this = self.amend("tag", |child, _| refused = child.tags.insert(key, value).err())?;
        match refused {
            None => Ok(this),
            Some(error) => Err(this.withdraw(FailureDetails::from_error("InvalidTag", &error).non_retriable())),
        }
    }

    /// Starts the orchestration so long after the present time.
    ///
    /// # Errors
    ///
    /// The start is committed already.
    pub fn delay(self, delay: Duration) -> Result<Self, OrchestratorError> {
        let at = self.handle.now().saturating_add(delay);
        self.start_at(at)
    }

    /// Starts the orchestration at this time, or at once when it has passed.
    ///
    /// # Errors
    ///
    /// The start is committed already.
    pub fn start_at(self, at: Timestamp) -> Result<Self, OrchestratorError> {
        self.amend("start_at", |child, _| child.start_at = Some(at))
    }

    /// What to do when an instance has the id already. A start that fails for this reason is told to the log alone.
    ///
    /// # Errors
    ///
    /// The start is committed already.
    pub fn id_reuse(self, policy: IdReusePolicy) -> Result<Self, OrchestratorError> {
        self.amend("id_reuse", |_, id_reuse| *id_reuse = policy)
    }

    fn amend(
        self,
        option: &str,
        change: impl FnOnce(&mut ChildStart, &mut IdReusePolicy),
    ) -> Result<Self, OrchestratorError> {
        let Some(task) = self.task else { return Ok(self) };
        let amended = self.handle.amend(task, |action| {
            if let Action::StartChild { child, id_reuse, .. } = action {
                change(child, id_reuse);
            }
        });
        if amended { Ok(self) } else { Err(late_option(option).into()) }
    }

    fn withdraw(&self, failure: FailureDetails) -> OrchestratorError {
        if let Some(task) = self.task {
            self.handle.withdraw(task);
        }
        failure.into()
    }
}
