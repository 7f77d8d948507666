//! What the tests share: a client to put in front, requests, what is expected of responses, and a server.
#![expect(dead_code, reason = "every test crate uses its own part of this")]

pub(crate) mod fake;
pub(crate) mod golden;
mod mock;
pub(crate) mod openapi;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use durable_core::history::{EventKind, HistoryEvent};
use durable_core::model::Timestamp;
use durable_http::testing::{TestRequest, TestResponse, call, request};
use durable_http::{DurableService, Server, ServerBuilder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) use self::mock::*;

pub(crate) const RPC: &str = "/durabletask";
pub(crate) const WEBHOOK: &str = "/runtime/webhooks/durabletask";
pub(crate) const JSON: &str = "application/json; charset=utf-8";
/// The time of everything that has no other: with decimals, to see that they are not shown.
pub(crate) const CREATED: &str = "2024-05-01T12:00:00.9876543Z";

pub(crate) fn created() -> Timestamp {
    CREATED.parse().unwrap()
}

/// An event at a second of the minute in which everything happens.
pub(crate) fn event(second: u32, kind: EventKind) -> HistoryEvent {
    let timestamp = format!("2024-05-01T12:00:{second:02}.5Z").parse().unwrap();
    HistoryEvent { event_id: kind.action_id().map_or(-1, |id| i64::from(id.0)), timestamp, kind }
}

/// Sends a request to the service of a mock. The response has to fit the OpenAPI document.
pub(crate) async fn send(mock: &Arc<MockClient>, request: TestRequest) -> TestResponse {
    send_to(&mock.service(), request).await
}

/// Sends a request to a service. The response has to fit the OpenAPI document.
pub(crate) async fn send_to(service: &DurableService, request: TestRequest) -> TestResponse {
    let request = request.build();
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = call(service, request).await;
    if let Some(fault) = openapi::fault(&method, &path, &response) {
        panic!("{fault}");
    }
    response
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
        Self::serve(mock.service(), edit).await
    }

    /// Starts a server of this service on a free port.
    pub(crate) async fn serve(service: DurableService, edit: impl FnOnce(ServerBuilder) -> ServerBuilder) -> Self {
        let server = edit(Server::builder(service).addr("127.0.0.1:0")).bind().await.unwrap();
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
