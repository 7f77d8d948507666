//! A recorded history.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use durable_core::client::Client;
use durable_core::history::{ExecutionHeader, HistoryEvent};
use durable_core::model::InstanceId;
use durable_core::orchestration::OrchestratorItem;

use super::code::Deployment;
use super::error::{RecordingError, RecordingErrorKind};
use super::place::{Place, visit};
use super::turns::{header, turns};
use super::{Redaction, ReplayReport, file, replay};

/// The history of one execution, as it can be kept in a file.
///
/// It begins where the execution began: of an instance that has continued as new it holds the current execution.
///
/// ```no_run
/// use durable_core::prelude::*;
/// use durable_testing::recorded::{RecordedHistory, Redaction};
///
/// # async fn doc(client: Client) -> Result<(), Box<dyn std::error::Error>> {
/// let recorded = RecordedHistory::from_client(&client, &InstanceId::new("order-7")?).await?;
/// let recorded = recorded.redact(&Redaction::new().pointer("/customer"));
/// recorded.save("tests/histories/order_with_two_items.json")?;
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct RecordedHistory {
    events: Vec<HistoryEvent>,
    header: Arc<ExecutionHeader>,
}

impl RecordedHistory {
    /// Takes the events of an execution, from its first turn on.
    ///
    /// # Errors
    ///
    /// The start of the execution is not among them, or an event stands outside of every turn.
    pub fn from_events(events: Vec<HistoryEvent>) -> Result<Self, RecordingError> {
        turns(&events)?;
        let header = Arc::clone(header(&events)?);
        Ok(Self { events, header })
    }

    /// Records the history of an instance as it is now, live or finished, local or remote. Nothing is written.
    ///
    /// # Errors
    ///
    /// There is no such instance, it has not had its first turn, or the client failed.
    pub async fn from_client(client: &Client, id: &InstanceId) -> Result<Self, RecordingError> {
        let events = client.history(id).await?;
        let events = events.ok_or_else(|| RecordingError::new(RecordingErrorKind::NotFound { id: id.clone() }))?;
        Self::from_events(events)
    }

    /// Reads the text of a file, or what `GET /instances/{id}/history` answers.
    ///
    /// # Errors
    ///
    /// It is no recorded history, one of another version, or one that is not complete.
    pub fn from_json(text: &str) -> Result<Self, RecordingError> {
        Self::from_events(file::read(text)?)
    }

    /// The text of its file.
    #[must_use]
    pub fn to_json(&self) -> String {
        file::write(&self.header, &self.events)
    }

    /// Reads a file.
    ///
    /// # Errors
    ///
    /// As [`from_json`](Self::from_json), and when the file cannot be read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, RecordingError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path)
            .map_err(|error| RecordingError::new(RecordingErrorKind::File).with_source(error).of_file(path))?;
        Self::from_json(&text).map_err(|error| error.of_file(path))
    }

    /// Writes a file, in the place of one that is there. Folders that are missing are made.
    ///
    /// # Errors
    ///
    /// The file or a folder cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), RecordingError> {
        let path = path.as_ref();
        path.parent()
            .map_or(Ok(()), fs::create_dir_all)
            .and_then(|()| fs::write(path, self.to_json()))
            .map_err(|error| RecordingError::new(RecordingErrorKind::File).with_source(error).of_file(path))
    }

    /// What the execution was started with.
    #[must_use]
    pub fn header(&self) -> &ExecutionHeader {
        &self.header
    }

    /// Its events in order, with the starts and ends of turns.
    #[must_use]
    pub fn events(&self) -> &[HistoryEvent] {
        &self.events
    }

    /// This history with other texts in the place of those that must not be kept.
    #[must_use]
    pub fn redact(&self, rules: &Redaction) -> Self {
        self.with_events(rules.apply(self.events.clone()))
    }

    /// This history with payloads changed by a function, one after the other in the order of the events. Of a failure it is
    /// given the typed error. Texts beside the payloads stay as they are: messages of failures, reasons and tags.
    ///
    /// ```
    /// # use durable_core::prelude::*;
    /// # use durable_testing::World;
    /// use durable_testing::recorded::PlaceKind;
    ///
    /// # #[orchestrator]
    /// # async fn order(ctx: OrchestrationContext, card: String) -> Result<u64, OrchestratorError> { Ok(1) }
    /// # let world = World::builder().orchestrator(order).build();
    /// # let recorded = world.record(&world.start(order, "4111".to_owned()));
    /// let recorded = recorded.redact_with(|place, value| {
    ///     if place.kind == PlaceKind::Input {
    ///         *value = "a card".into();
    ///     }
    /// });
    /// assert!(!recorded.to_json().contains("4111"));
    /// recorded.replay(order).unwrap();
    /// ```
    #[must_use]
    pub fn redact_with(&self, mut change: impl FnMut(&Place<'_>, &mut serde_json::Value)) -> Self {
        let mut events = self.events.clone();
        visit(&mut events, &mut change);
        self.with_events(events)
    }

    fn with_events(&self, events: Vec<HistoryEvent>) -> Self {
        let header = header(&events).map_or_else(|_| Arc::clone(&self.header), Arc::clone);
        Self { events, header }
    }

    /// Replays the history against an orchestrator, whatever its name and version, with the default limits.
    ///
    /// # Errors
    ///
    /// The first difference.
    pub fn replay<M, F: OrchestratorItem<M>>(&self, _orchestrator: F) -> Result<(), ReplayReport> {
        replay::against_definition::<F::Definition>(self)
    }

    /// Replays the history against the orchestrator that a hub with these would take.
    ///
    /// # Errors
    ///
    /// The first difference, or that there is no code for it.
    pub fn replay_against(&self, deployment: &Deployment) -> Result<(), ReplayReport> {
        replay::against(self, deployment)
    }
}
