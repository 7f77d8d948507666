//! The HTTP functions of the demos, under their own routes.

use std::time::{Duration, SystemTime};

use durable_core::client::{Client, ClientError, InstanceQuery};
use durable_core::model::{EventName, FunctionName, InstanceId, Payload, RuntimeStatus, Timestamp};
use durable_core::prelude::{State, TaskHub};
use durable_http::{
    Body, DurableClientHttpExt, HttpError, HttpRequest, IntoHttpResponse, Json, Starters, http_starter,
};
use http::{Response, StatusCode};
use serde::{Deserialize, Serialize};

use super::status::{Shown, Status};

/// Adds every HTTP function; `functions` is what `GET /api/GetFunctionMethods` lists.
pub fn starters(starters: Starters, functions: FunctionNames) -> Starters {
    starters
        .state(functions)
        .starter(http_start)
        .starter(http_start_and_wait)
        .starter(http_get_status_for_one)
        .starter(http_get_status_for_many)
        .starter(terminate_instance)
        .starter(purge_history_for_one)
        .starter(raise_approval_event)
        .starter(get_function_methods)
        .starter(start_multiple)
        .starter(send_event)
}

/// Starts an orchestrator, under an id of the caller's or a new one, and says where to look.
#[http_starter(route = "start/{orchestrator}/{id?}")]
async fn http_start(
    client: Client,
    request: HttpRequest,
    orchestrator: FunctionName,
    id: Option<InstanceId>,
    Json(input): Json<Payload>,
) -> Result<Response<Body>, HttpError> {
    let mut start = client.start(orchestrator, input);
    if let Some(id) = id {
        start = start.id(id);
    }
    Ok(client.create_check_status_response(&request, start.await?.id()))
}

/// Starts an orchestrator and answers with its output, when it ends in time.
#[http_starter(route = "startandwait/{orchestrator}/{timeout=10}/{interval=1}")]
async fn http_start_and_wait(
    client: Client,
    request: HttpRequest,
    orchestrator: FunctionName,
    timeout: Duration,
    interval: Duration,
    Json(input): Json<Payload>,
) -> Result<Response<Body>, HttpError> {
    let instance = client.start(orchestrator, input).await?;
    let wait = client.wait_for_completion_or_create_check_status_response(&request, instance.id());
    Ok(wait.timeout(timeout).retry_interval(interval).await?)
}

/// Shows an instance. Without any parameter its input is shown; with one, only what is asked for.
#[http_starter(route = "status/{id}?{showHistory=false}&{showHistoryOutput=false}&{showInput=false}", methods("GET"))]
async fn http_get_status_for_one(
    client: Client,
    request: HttpRequest,
    id: InstanceId,
    show_history: bool,
    show_history_output: bool,
    show_input: bool,
) -> Result<Response<Body>, HttpError> {
    let Some(status) = client.status(&id).await? else { return StatusCode::NO_CONTENT.into_http_response() };
    let show = if request.uri().query().is_some() {
        Shown { input: show_input, history: show_history, history_output: show_history_output }
    } else {
        Shown { input: true, history: false, history_output: false }
    };
    let history = if show.history { client.history(&id).await? } else { None };
    Json(Status::new(status, history, show)).into_http_response()
}

/// What `POST status` looks for; the names are those of the demo.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wanted {
    created_from: Option<Timestamp>,
    created_to: Option<Timestamp>,
    statusses_to_match: Vec<u8>,
}

/// Shows the instances that fit; all of them unless a time and some states are given.
#[http_starter(route = "status")]
async fn http_get_status_for_many(
    client: Client,
    Json(wanted): Json<Option<Wanted>>,
) -> Result<Json<Vec<Status>>, HttpError> {
    let mut query = InstanceQuery::new();
    let Wanted { created_from, created_to, statusses_to_match } = wanted.unwrap_or_default();
    if let (Some(from), false) = (created_from, statusses_to_match.is_empty()) {
        let is_wanted = |status: &RuntimeStatus| statusses_to_match.contains(&status.code());
        query = query.created_from(from).statuses(RuntimeStatus::ALL.into_iter().filter(is_wanted));
        query.created_to = created_to;
    }
    let show = Shown { input: true, history: false, history_output: false };
    let mut found = Vec::new();
    loop {
        let page = client.list(query.clone()).await?;
        found.extend(page.instances.into_iter().map(|status| Status::new(status, None, show)));
        match page.continuation {
            Some(next) => query = query.continue_from(next),
            None => return Ok(Json(found)),
        }
    }
}

/// Terminates an instance; the body is the reason.
#[http_starter(route = "terminate/{instanceId}")]
async fn terminate_instance(
    client: Client,
    instance_id: InstanceId,
    Json(reason): Json<String>,
) -> Result<StatusCode, HttpError> {
    client.terminate(&instance_id, reason).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Removes an instance; it makes no difference whether there is one.
#[http_starter(route = "purge/{instanceId}", methods("DELETE"))]
async fn purge_history_for_one(client: Client, instance_id: InstanceId) -> Result<StatusCode, HttpError> {
    client.purge(&instance_id).await?;
    Ok(StatusCode::ACCEPTED)
}

/// Sends the body as an event.
#[http_starter(route = "approval/{eventName}/{instanceId}")]
async fn raise_approval_event(
    client: Client,
    event_name: EventName,
    instance_id: InstanceId,
    Json(approval): Json<Payload>,
) -> Result<StatusCode, HttpError> {
    client.raise_event(&instance_id, event_name.as_str(), &approval).await?;
    Ok(StatusCode::ACCEPTED)
}

/// The functions of a hub, by kind.
#[derive(Debug, Clone, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct FunctionNames {
    /// The orchestrators.
    pub orchestrators: Vec<String>,
    /// The activities.
    pub activities: Vec<String>,
}

impl FunctionNames {
    /// The functions of this hub.
    #[must_use]
    pub fn of(hub: &TaskHub) -> Self {
        let texts = |names: &[FunctionName]| names.iter().map(ToString::to_string).collect();
        Self { orchestrators: texts(hub.orchestrators()), activities: texts(hub.activities()) }
    }
}

/// Lists the functions.
#[http_starter(route = "GetFunctionMethods", methods("GET"))]
async fn get_function_methods(State(functions): State<FunctionNames>) -> Json<FunctionNames> {
    Json(functions)
}

/// Starts two instances, and answers for the second.
#[http_starter(route = "multiple")]
async fn start_multiple(client: Client, request: HttpRequest) -> Result<Response<Body>, HttpError> {
    client.start("HelloName", "first").await?;
    let second = client.start("HelloName", "second").await?;
    Ok(client.create_check_status_response(&request, second.id()))
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event_name: String,
    is_approved: bool,
}

/// Sends the event that the body names; its payload is the bare answer.
#[http_starter(route = "sendevent/{instanceId}")]
async fn send_event(
    client: Client,
    instance_id: InstanceId,
    Json(event): Json<Event>,
) -> Result<StatusCode, HttpError> {
    client.raise_event(&instance_id, &event.event_name, &event.is_approved).await?;
    Ok(StatusCode::ACCEPTED)
}

const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Removes what was created between two weeks and one week before `now`, and has completed or was terminated. The demo does
/// so every morning.
///
/// # Errors
///
/// The store failed.
pub async fn purge_history_for_many(client: &Client, now: SystemTime) -> Result<u64, ClientError> {
    let query = InstanceQuery::new()
        .statuses([RuntimeStatus::Completed, RuntimeStatus::Terminated])
        .created_from((now - 14 * DAY).into())
        .created_to((now - 7 * DAY).into());
    client.purge_where(query).await
}
