//! A durable client in memory whose instances stand where a test puts them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{
    Client, ClientError, ClientErrorKind, ControlRequest, DurableClient, InstancePage, InstanceQuery, InstanceStatus,
    PurgePage, PurgeRequest, RestartRequest, StartRequest, WaitUntil,
};
use durable_core::history::HistoryEvent;
use durable_core::model::{EventName, FunctionName, InstanceId, Payload, RuntimeStatus, TaskHubName, TraceContext};
use durable_http::DurableService;
use tokio::sync::watch;

use super::created;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Start { name: String, id: Option<String>, input: String },
    Wait { id: String, timeout: Option<Duration> },
    Raise { id: String, name: String, payload: String },
    Terminate { id: String, reason: Option<String> },
    Suspend { id: String, reason: Option<String> },
    Resume { id: String, reason: Option<String> },
    Rewind { id: String, reason: Option<String> },
    Restart { id: String, new_id: bool },
    Purge { id: String },
    PurgePage(InstanceQuery),
    List(InstanceQuery),
    History { id: String },
}

#[derive(Default)]
struct State {
    instances: BTreeMap<String, (InstanceStatus, Vec<HistoryEvent>)>,
    calls: Vec<Call>,
    failing: Option<ClientErrorKind>,
    continuation: Option<String>,
    /// The answers of later purges of many, the next one last.
    purges: Vec<PurgePage>,
    /// The traces of the instances that were started.
    traces: Vec<Option<TraceContext>>,
}

pub(crate) struct MockClient {
    hub: TaskHubName,
    known: Vec<FunctionName>,
    state: Mutex<State>,
    changed: watch::Sender<u64>,
}

impl MockClient {
    pub(crate) fn new() -> Arc<Self> {
        let known = ["Hello", "Goodbye"].map(|name| FunctionName::new(name).unwrap()).to_vec();
        let hub = TaskHubName::new("TestHub").unwrap();
        Arc::new(Self { hub, known, state: Mutex::default(), changed: watch::Sender::new(0) })
    }

    pub(crate) fn client(self: &Arc<Self>) -> Client {
        Client::new(self.clone())
    }

    pub(crate) fn service(self: &Arc<Self>) -> DurableService {
        DurableService::new(self.client())
    }

    /// Puts an instance of `Hello` there.
    pub(crate) fn put(&self, id: &str, status: RuntimeStatus) {
        self.put_with(id, |instance| instance.runtime_status = status);
    }

    /// Puts an instance of `Hello` there, or changes it.
    pub(crate) fn put_with(&self, id: &str, edit: impl FnOnce(&mut InstanceStatus)) {
        let mut state = self.state.lock().unwrap();
        let entry = state.instances.entry(id.to_owned()).or_insert_with(|| {
            let input = Payload::from_json(r#"{"city": "Tokyo"}"#).unwrap();
            (InstanceStatus::pending(id.try_into().unwrap(), "Hello".try_into().unwrap(), input, created()), Vec::new())
        });
        edit(&mut entry.0);
        drop(state);
        self.changed.send_modify(|version| *version += 1);
    }

    pub(crate) fn complete(&self, id: &str, output: &str) {
        self.put_with(id, |instance| {
            instance.runtime_status = RuntimeStatus::Completed;
            instance.output = Some(Payload::from_json(output).unwrap());
        });
    }

    pub(crate) fn set_history(&self, id: &str, events: Vec<HistoryEvent>) {
        self.state.lock().unwrap().instances.get_mut(id).unwrap().1 = events;
    }

    /// Lets every later call fail.
    pub(crate) fn fail_with(&self, kind: ClientErrorKind) {
        self.state.lock().unwrap().failing = Some(kind);
    }

    /// The continuation token of every later list.
    pub(crate) fn continue_with(&self, token: &str) {
        self.state.lock().unwrap().continuation = Some(token.to_owned());
    }

    /// The answers of the next purges of many.
    pub(crate) fn purge_next(&self, mut pages: Vec<PurgePage>) {
        pages.reverse();
        self.state.lock().unwrap().purges = pages;
    }

    /// The traces of the instances that were started.
    pub(crate) fn traces(&self) -> Vec<Option<TraceContext>> {
        self.state.lock().unwrap().traces.clone()
    }

    pub(crate) fn calls(&self) -> Vec<Call> {
        self.state.lock().unwrap().calls.clone()
    }

    pub(crate) fn status_now(&self, id: &str) -> Option<InstanceStatus> {
        self.state.lock().unwrap().instances.get(id).map(|entry| entry.0.clone())
    }

    /// Completes once a call that fits has been made.
    pub(crate) async fn called(&self, fits: impl Fn(&Call) -> bool) {
        let mut changed = self.changed.subscribe();
        changed.wait_for(|_| self.calls().iter().any(&fits)).await.unwrap();
    }

    fn record(&self, call: Call) -> Result<(), ClientError> {
        let mut state = self.state.lock().unwrap();
        state.calls.push(call);
        let failing = state.failing.clone();
        drop(state);
        self.changed.send_modify(|version| *version += 1);
        failing.map_or(Ok(()), |kind| Err(ClientError::new(kind)))
    }

    fn existing(&self, id: &InstanceId) -> Result<InstanceStatus, ClientError> {
        self.status_now(id.as_str()).ok_or_else(|| ClientError::new(ClientErrorKind::NotFound { id: id.clone() }))
    }

    fn live(&self, id: &InstanceId) -> Result<(), ClientError> {
        let status = self.existing(id)?.runtime_status;
        if status.is_terminal() {
            return Err(ClientError::new(ClientErrorKind::Finished { id: id.clone(), status }));
        }
        Ok(())
    }

    fn control(&self, id: &InstanceId, call: Call, then: RuntimeStatus) -> Result<(), ClientError> {
        self.record(call)?;
        self.live(id)?;
        self.put(id.as_str(), then);
        Ok(())
    }

    fn try_restart(&self, id: &InstanceId, new_id: bool) -> Result<InstanceId, ClientError> {
        self.record(Call::Restart { id: id.to_string(), new_id })?;
        let found = self.existing(id)?;
        if !new_id && !found.runtime_status.is_terminal() {
            return Err(wrong_state(&found, "finished to start again under its own id"));
        }
        let id = if new_id { format!("{id}-again") } else { id.to_string() };
        self.put(&id, RuntimeStatus::Pending);
        Ok(id.try_into().unwrap())
    }

    fn try_purge(&self, id: &InstanceId) -> Result<u64, ClientError> {
        let Some(found) = self.status_now(id.as_str()) else { return Ok(0) };
        if !found.runtime_status.is_terminal() {
            return Err(wrong_state(&found, "finished to be purged"));
        }
        self.state.lock().unwrap().instances.remove(id.as_str());
        Ok(1)
    }

    fn try_start(&self, request: StartRequest) -> Result<InstanceId, ClientError> {
        self.record(Call::Start {
            name: request.name.to_string(),
            id: request.id.as_ref().map(ToString::to_string),
            input: request.input.to_string(),
        })?;
        self.state.lock().unwrap().traces.push(request.trace);
        if !self.known.contains(&request.name) {
            let (name, known) = (request.name, self.known.clone());
            return Err(ClientError::new(ClientErrorKind::UnknownOrchestrator { name, known }));
        }
        let id = request.id.unwrap_or_else(InstanceId::generate);
        if let Some(found) = self.status_now(id.as_str()).filter(|found| !found.runtime_status.is_terminal()) {
            return Err(ClientError::new(ClientErrorKind::AlreadyExists { id, status: found.runtime_status }));
        }
        let instance = InstanceStatus::pending(id.clone(), request.name, request.input, created());
        self.state.lock().unwrap().instances.insert(id.to_string(), (instance, Vec::new()));
        Ok(id)
    }
}

impl DurableClient for MockClient {
    fn task_hub(&self) -> &TaskHubName {
        &self.hub
    }

    fn start(&self, request: StartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        Box::pin(async move { self.try_start(request) })
    }

    fn status(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let found = self.status_now(id.as_str());
        let failing = self.state.lock().unwrap().failing.clone();
        Box::pin(async move { failing.map_or(Ok(found), |kind| Err(ClientError::new(kind))) })
    }

    fn wait(
        &self,
        id: &InstanceId,
        until: WaitUntil,
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.to_string();
        Box::pin(async move {
            let mut changed = self.changed.subscribe();
            self.record(Call::Wait { id: id.clone(), timeout })?;
            let over =
                changed.wait_for(|_| self.status_now(&id).is_none_or(|now| until.is_reached(now.runtime_status)));
            let _ = tokio::time::timeout(timeout.unwrap_or(Duration::MAX), over).await;
            Ok(self.status_now(&id))
        })
    }

    fn raise_event(
        &self,
        id: &InstanceId,
        name: EventName,
        payload: Payload,
    ) -> BoxFuture<'_, Result<(), ClientError>> {
        let call = Call::Raise { id: id.to_string(), name: name.to_string(), payload: payload.to_string() };
        let result = self.record(call).and_then(|()| self.live(id));
        Box::pin(async move { result })
    }

    fn terminate(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let ControlRequest { reason, .. } = request;
        let call = Call::Terminate { id: id.to_string(), reason: reason.clone() };
        let result = self.control(id, call, RuntimeStatus::Terminated);
        if result.is_ok() {
            self.put_with(id.as_str(), |instance| instance.termination_reason = reason);
        }
        Box::pin(async move { result })
    }

    fn suspend(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let call = Call::Suspend { id: id.to_string(), reason: request.reason };
        let result = self.control(id, call, RuntimeStatus::Suspended);
        Box::pin(async move { result })
    }

    fn resume(&self, id: &InstanceId, request: ControlRequest) -> BoxFuture<'_, Result<(), ClientError>> {
        let call = Call::Resume { id: id.to_string(), reason: request.reason };
        let result = self.control(id, call, RuntimeStatus::Running);
        Box::pin(async move { result })
    }

    fn rewind(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let call = Call::Rewind { id: id.to_string(), reason };
        let result = self.record(call).and_then(|()| self.existing(id)).and_then(|found| {
            let failed = found.runtime_status == RuntimeStatus::Failed;
            if failed { Ok(()) } else { Err(wrong_state(&found, "Failed to be rewound")) }
        });
        Box::pin(async move { result })
    }

    fn restart(&self, id: &InstanceId, request: RestartRequest) -> BoxFuture<'_, Result<InstanceId, ClientError>> {
        let result = self.try_restart(id, request.new_id);
        Box::pin(async move { result })
    }

    fn purge(&self, id: &InstanceId, _request: PurgeRequest) -> BoxFuture<'_, Result<u64, ClientError>> {
        let result = self.record(Call::Purge { id: id.to_string() }).and_then(|()| self.try_purge(id));
        Box::pin(async move { result })
    }

    fn purge_page(&self, query: InstanceQuery) -> BoxFuture<'_, Result<PurgePage, ClientError>> {
        let result = self.record(Call::PurgePage(query)).map(|()| {
            let page = self.state.lock().unwrap().purges.pop();
            page.unwrap_or(PurgePage { deleted: 0, continuation: None })
        });
        Box::pin(async move { result })
    }

    fn list(&self, query: InstanceQuery) -> BoxFuture<'_, Result<InstancePage, ClientError>> {
        let result = self.record(Call::List(query)).map(|()| {
            let state = self.state.lock().unwrap();
            let instances = state.instances.values().map(|entry| entry.0.clone()).collect();
            InstancePage { instances, continuation: state.continuation.clone() }
        });
        Box::pin(async move { result })
    }

    fn history(&self, id: &InstanceId) -> BoxFuture<'_, Result<Option<Vec<HistoryEvent>>, ClientError>> {
        let result = self
            .record(Call::History { id: id.to_string() })
            .map(|()| self.state.lock().unwrap().instances.get(id.as_str()).map(|entry| entry.1.clone()));
        Box::pin(async move { result })
    }
}

fn wrong_state(found: &InstanceStatus, needed: &'static str) -> ClientError {
    let (id, status) = (found.instance_id.clone(), found.runtime_status);
    ClientError::new(ClientErrorKind::WrongState { id, status, needed })
}
