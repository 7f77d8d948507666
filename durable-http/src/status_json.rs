//! The status object.

use durable_core::client::{ClientError, DurableClient, InstanceStatus};
use durable_core::history::HistoryEvent;
use durable_core::model::{Payload, RuntimeStatus};
use serde::Serialize;

use crate::history_json::{self, ShownEvent};
use crate::links::FailedAs;
use crate::query::Query;

/// What a request wants to see of an instance.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Show {
    pub(crate) input: bool,
    pub(crate) history: bool,
    pub(crate) history_output: bool,
    pub(crate) failed_as: FailedAs,
}

impl Show {
    pub(crate) fn from_query(query: &Query) -> Self {
        let flag = |name, default| query.flag(name).unwrap_or(default);
        Self {
            input: flag("showInput", true),
            history: flag("showHistory", false),
            history_output: flag("showHistoryOutput", false),
            failed_as: if flag("returnInternalServerErrorOnFailure", false) {
                FailedAs::InternalServerError
            } else {
                FailedAs::Ok
            },
        }
    }

    /// The history, where it is asked for and exists.
    pub(crate) async fn history_of(
        self,
        client: &dyn DurableClient,
        status: &InstanceStatus,
    ) -> Result<Option<Vec<HistoryEvent>>, ClientError> {
        if self.history && status.runtime_status != RuntimeStatus::Pending {
            client.history(&status.instance_id).await
        } else {
            Ok(None)
        }
    }
}

/// The state of an instance on the wire; the order of the fields is that of Durable Functions.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusJson<'a> {
    name: &'a str,
    instance_id: &'a str,
    runtime_status: &'static str,
    input: Option<&'a Payload>,
    custom_status: Option<&'a Payload>,
    output: Option<Payload>,
    created_time: String,
    last_updated_time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    history_events: Option<Vec<ShownEvent<'a>>>,
}

impl<'a> StatusJson<'a> {
    pub(crate) fn new(status: &'a InstanceStatus, history: Option<&'a [HistoryEvent]>, show: Show) -> Self {
        Self {
            name: status.name.as_str(),
            instance_id: status.instance_id.as_str(),
            runtime_status: status.runtime_status.as_str(),
            input: show.input.then_some(&status.input),
            custom_status: status.custom_status.as_ref(),
            output: output(status),
            created_time: status.created_at.to_seconds_string(),
            last_updated_time: status.last_updated_at.to_seconds_string(),
            history_events: history.map(|events| history_json::project(events, show)),
        }
    }
}

/// The output as clients see it: a message for a failed instance, the reason for a terminated one.
fn output(status: &InstanceStatus) -> Option<Payload> {
    match status.runtime_status {
        RuntimeStatus::Failed => {
            let error = match &status.failure {
                Some(failure) => format!("{failure:#}"),
                None => "the reason is not known".to_owned(),
            };
            Some(string(&format!("Orchestrator function '{}' failed: {error}", status.name)))
        }
        RuntimeStatus::Terminated => status.termination_reason.as_deref().map(text_as_json),
        _ => status.output.clone(),
    }
}

/// A text that is JSON as a whole is that JSON; any other is a string.
fn text_as_json(text: &str) -> Payload {
    let text = text.trim();
    Payload::from_json(text).unwrap_or_else(|_| string(text))
}

fn string(text: &str) -> Payload {
    // Encoding a string cannot fail.
    Payload::encode(text).unwrap_or_else(|_| Payload::null())
}
