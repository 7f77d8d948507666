//! A durable client in memory whose instances stand where a test puts them.
#![expect(dead_code, reason = "every test crate uses its own part of this")]

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use durable_core::BoxFuture;
use durable_core::client::{
    Client, ClientError, ClientErrorKind, DurableClient, InstancePage, InstanceQuery, InstanceStatus, StartRequest,
};
use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::{EventName, FunctionName, InstanceId, Payload, RuntimeStatus, TaskHubName, Timestamp};
use durable_http::testing::{TestRequest, TestResponse, call, request};
use durable_http::{DurableService, Server, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const RPC: &str = "/durabletask";
pub(crate) const WEBHOOK: &str = "/runtime/webhooks/durabletask";
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// The time of everything that has no other: with decimals, to see that they are not shown.
pub(crate) const CREATED: &str = "2024-05-01T12:00:00.9876543Z";

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Call {
    Start { name: String, id: Option<String>, input: String },
    Wait { id: String, timeout: Option<Duration> },
    Raise { id: String, name: String, payload: String },
    Terminate { id: String, reason: Option<String> },
    List(InstanceQuery),
    History { id: String },
}

#[derive(Default)]
struct State {
    instances: BTreeMap<String, (InstanceStatus, Vec<HistoryEvent>)>,
    calls: Vec<Call>,
    failing: Option<ClientErrorKind>,
    continuation: Option<String>,
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

    fn live(&self, id: &InstanceId) -> Result<(), ClientError> {
        match self.status_now(id.as_str()) {
            None => Err(ClientError::new(ClientErrorKind::NotFound { id: id.clone() })),
            Some(found) if found.runtime_status.is_terminal() => {
                Err(ClientError::new(ClientErrorKind::Finished { id: id.clone(), status: found.runtime_status }))
            }
            Some(_) => Ok(()),
        }
    }

    fn try_start(&self, request: StartRequest) -> Result<InstanceId, ClientError> {
        self.record(Call::Start {
            name: request.name.to_string(),
            id: request.id.as_ref().map(ToString::to_string),
            input: request.input.to_string(),
        })?;
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
        timeout: Option<Duration>,
    ) -> BoxFuture<'_, Result<Option<InstanceStatus>, ClientError>> {
        let id = id.to_string();
        Box::pin(async move {
            let mut changed = self.changed.subscribe();
            self.record(Call::Wait { id: id.clone(), timeout })?;
            let over =
                changed.wait_for(|_| self.status_now(&id).is_none_or(|instance| instance.runtime_status.is_terminal()));
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

    fn terminate(&self, id: &InstanceId, reason: Option<String>) -> BoxFuture<'_, Result<(), ClientError>> {
        let result =
            self.record(Call::Terminate { id: id.to_string(), reason: reason.clone() }).and_then(|()| self.live(id));
        if result.is_ok() {
            self.put_with(id.as_str(), |instance| {
                instance.runtime_status = RuntimeStatus::Terminated;
                instance.termination_reason = reason;
            });
        }
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

pub(crate) fn created() -> Timestamp {
    CREATED.parse().unwrap()
}

/// An event at a second of the minute in which everything happens.
pub(crate) fn event(second: u32, kind: EventKind) -> HistoryEvent {
    let timestamp = format!("2024-05-01T12:00:{second:02}.5Z").parse().unwrap();
    HistoryEvent { event_id: kind.action_id().map_or(-1, |id| i64::from(id.0)), timestamp, kind }
}

/// Sends a request to the service of a mock.
pub(crate) async fn send(mock: &Arc<MockClient>, request: TestRequest) -> TestResponse {
    call(&mock.service(), request).await
}

pub(crate) async fn get(mock: &Arc<MockClient>, target: &str) -> TestResponse {
    send(mock, request("GET", target)).await
}

pub(crate) async fn post(mock: &Arc<MockClient>, target: &str) -> TestResponse {
    send(mock, request("POST", target)).await
}

/// An empty response of this code: no body and no content type.
#[track_caller]
pub(crate) fn assert_empty(response: &TestResponse, code: u16) {
    assert_eq!(response.status, code, "{}", response.body);
    assert_eq!(response.body, "");
    assert_eq!(response.header("content-type"), None);
}

/// A JSON response of this code with exactly this body.
#[track_caller]
pub(crate) fn assert_json(response: &TestResponse, code: u16, body: &str) {
    assert_eq!(response.body, body);
    assert_eq!(response.status, code);
    assert_eq!(response.header("content-type"), Some(JSON));
}

/// The long error object.
pub(crate) fn long_error(message: &str, exception: &str, exception_type: &str) -> String {
    format!(
        "{{\"Message\":{},\"ExceptionMessage\":{},\"ExceptionType\":\"{exception_type}\",\"StackTrace\":null}}",
        serde_json::to_string(message).unwrap(),
        serde_json::to_string(exception).unwrap(),
    )
}

/// The long error object of an argument that was refused.
pub(crate) fn bad_argument(exception: &str) -> String {
    long_error("One or more of the arguments submitted is incorrect", exception, "System.ArgumentException")
}

/// The check-status payload of an instance whose encoded id is `encoded`, on this origin.
pub(crate) fn check_status(origin: &str, id: &str, encoded: &str) -> String {
    let instance = format!("{origin}/runtime/webhooks/durabletask/instances/{encoded}");
    let system = "taskHub=TestHub&connection=Storage";
    format!(
        "{{\"id\":\"{id}\",\
         \"statusQueryGetUri\":\"{instance}?{system}\",\
         \"sendEventPostUri\":\"{instance}/raiseEvent/{{eventName}}?{system}\",\
         \"terminatePostUri\":\"{instance}/terminate?reason={{text}}&{system}\",\
         \"purgeHistoryDeleteUri\":\"{instance}?{system}\",\
         \"restartPostUri\":\"{instance}/restart?{system}\",\
         \"suspendPostUri\":\"{instance}/suspend?reason={{text}}&{system}\",\
         \"resumePostUri\":\"{instance}/resume?reason={{text}}&{system}\"}}"
    )
}

/// A running server, and a way to stop it.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
    server: JoinHandle<()>,
}

impl Running {
    /// Starts a server of this mock on a free port.
    pub(crate) async fn start(mock: &Arc<MockClient>, edit: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let server = edit(Server::builder(mock.client()).addr("127.0.0.1:0")).bind().await.unwrap();
        let (address, stop) = (server.local_addr(), CancellationToken::new());
        let server = tokio::spawn(server.run_until(stop.clone().cancelled_owned()));
        Self { address, stop, server }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes and reads until the server closes the connection.
    pub(crate) async fn exchange(&self, bytes: impl AsRef<[u8]>) -> String {
        let mut stream = self.connect().await;
        stream.write_all(bytes.as_ref()).await.unwrap();
        read_to_end(&mut stream).await
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// Completes when the server has stopped.
    pub(crate) async fn stopped(self) {
        within_reason(self.server).await.unwrap();
    }
}

/// Reads until the server closes the connection.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    // A reset after the last byte is an end like any other.
    let _ = within_reason(stream.read_to_end(&mut text)).await;
    String::from_utf8(text).unwrap()
}

/// Reads until the text ends with `end`.
pub(crate) async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = Vec::new();
    while !text.ends_with(end.as_bytes()) {
        let byte = within_reason(stream.read_u8()).await;
        text.push(byte.unwrap_or_else(|error| panic!("{error} after {:?}", String::from_utf8_lossy(&text))));
    }
    String::from_utf8(text).unwrap()
}

/// What hangs fails.
pub(crate) async fn within_reason<F: IntoFuture>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}
